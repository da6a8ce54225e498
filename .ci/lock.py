#!/usr/bin/env python3
"""Write requirements.lock from pyproject.toml: every dependency with its hashes, for every platform, in two sections.

The first section is what the service runs on and is built with. The second, behind a line of its own, adds what checks
and tests need, at versions that fit the first. What is locked stays as it is unless pyproject.toml forces a change or
`--upgrade` is given. No index address gets into the file.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

LOCK = Path("requirements.lock")
HEADER = "# Made by `make lock` from pyproject.toml. First what the service runs on.\n"
DEVELOPMENT = "# == development ==\n"
COMPILE = [
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"),
]


def main() -> None:
    """Both sections, resolved one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        run, everything = Path(folder, "run.lock"), Path(folder, "everything.lock")
        if LOCK.exists() and "--upgrade" not in sys.argv[1:]:
            run.write_bytes(LOCK.read_bytes())  # uv keeps the versions that it finds in its output
            everything.write_bytes(LOCK.read_bytes())
        uv = [_installed_uv(Path(folder, "uv")), *COMPILE, "pyproject.toml"]
        _call(*uv, "--group", "build", "--output-file", str(run))
        _call(*uv, "--group", "build", "--group", "dev", "--constraints", str(run), "--output-file", str(everything))
        runs_on = _packages(run)
        develops_with = [package for package in _packages(everything) if package not in runs_on]
    LOCK.write_text("".join([HEADER, *runs_on, DEVELOPMENT, *develops_with]), encoding="utf-8")
    print(f"{LOCK}: {len(runs_on)} packages to run, {len(develops_with)} more to develop")


def _packages(lock: Path) -> list[str]:
    """One text for each package: its line and the hashes below."""
    packages: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith(" "):
            packages[-1] += line
        else:
            packages.append(line)
    return packages


def _installed_uv(folder: Path) -> str:
    """The resolver, in an environment that is thrown away afterwards."""
    venv.create(folder, with_pip=True)
    binaries = next(path for path in (folder / "bin", folder / "Scripts") if path.exists())
    _call(str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    return str(binaries / "uv")


def _call(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603  our own words


if __name__ == "__main__":
    main()
