#!/usr/bin/env python3
"""Ask an advisory service about every locked package: a finding fails, and so does a package that it does not know.

Where no service can be reached this says NOT AUDITED and passes, so that the checks also run without internet access.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SERVICES = ("pypi", "osv")
PIP_AUDIT = [
    *(sys.executable, "-m", "pip_audit"),
    *("--strict", "--disable-pip", "--progress-spinner", "off", "--timeout", "10"),
]

KNOWN_TO_BE_VULNERABLE = "jinja2==2.10"
"""CVE-2019-10906 and others: a service that knows nothing against it is no advisory service."""


def main() -> int:
    """The exit status: that of pip-audit, or 0 when nobody could be asked."""
    troubles = list[str]()
    for service in SERVICES:
        trouble = _trouble_with(service)
        if trouble is None:
            print(f"Auditing requirements.lock with the advisories of {service}", flush=True)
            lock = ["--require-hashes", "--requirement", "requirements.lock"]
            return subprocess.run([*PIP_AUDIT, "--vulnerability-service", service, *lock], check=False).returncode  # noqa: S603  our own words
        troubles.append(f"  {service}: {trouble}")
    print("NOT AUDITED: no advisory service answers here, so nobody knows whether the locked packages are safe")
    print("\n".join(troubles))
    return 0


def _trouble_with(service: str) -> str | None:
    """Why it cannot be asked; None when it knows what everybody knows."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{KNOWN_TO_BE_VULNERABLE}\n", encoding="ascii")
        question = [
            "--vulnerability-service",
            service,
            "--no-deps",
            "--format",
            "json",
            "--requirement",
            str(requirements),
        ]
        asked = subprocess.run([*PIP_AUDIT, *question], capture_output=True, text=True, check=False)  # noqa: S603  our own words
    try:
        known = any(package.get("vulns") for package in json.loads(asked.stdout)["dependencies"])
    except ValueError:  # it failed, and said so elsewhere than in its answer
        return (asked.stderr.strip().splitlines() or ["no answer"])[-1]
    return None if known else f"knows nothing against {KNOWN_TO_BE_VULNERABLE}"


if __name__ == "__main__":
    sys.exit(main())
