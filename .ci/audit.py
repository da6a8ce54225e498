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
    for service in SERVICES:
        if _answers(service):
            print(f"Auditing requirements.lock with the advisories of {service}", flush=True)
            lock = ["--require-hashes", "--requirement", "requirements.lock"]
            return subprocess.run([*PIP_AUDIT, "--vulnerability-service", service, *lock], check=False).returncode  # noqa: S603  our own words
    print(
        "NOT AUDITED: no advisory service can be reached from here, so nobody knows whether the locked packages are safe"
    )
    return 0


def _answers(service: str) -> bool:
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
        answer = subprocess.run([*PIP_AUDIT, *question], capture_output=True, check=False).stdout  # noqa: S603  our own words
    try:
        return any(package.get("vulns") for package in json.loads(answer)["dependencies"])
    except ValueError:
        return False  # it failed, and said so elsewhere than in its answer


if __name__ == "__main__":
    sys.exit(main())
