"""After the contract suites: which adapter of which port ran how many promises, so that a missing row is seen."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

OUTCOMES = ("passed", "failed", "error", "skipped")
HERE = Path(__file__).parent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = defaultdict[tuple[str, str], Counter[str]](Counter)
    for outcome in OUTCOMES:
        for report in terminalreporter.getreports(outcome):
            path, *names = report.nodeid.split("::")
            if path.startswith(f"{HERE.name}/") and len(names) > 1:
                rows[_row(Path(path), names[0])][outcome] += 1
    if rows:
        terminalreporter.section("contracts")
        terminalreporter.line(f"{'port':<18}{'adapter':<14}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
        for (port, adapter), counts in sorted(rows.items()):
            numbers = "".join(f"{counts[outcome] or '-':>9}" for outcome in OUTCOMES)
            terminalreporter.line(f"{port:<18}{adapter:<14}{numbers}")


def _row(path: Path, test_class: str) -> tuple[str, str]:
    """`test_blob_store.py` and every `test_blob_store_*.py` are about `BlobStore`; `TestS3BlobStore` binds `S3`."""
    suite = min((file.stem for file in HERE.glob("test_*.py") if path.stem.startswith(file.stem)), key=len)
    port = suite.removeprefix("test_").title().replace("_", "")
    return port, test_class.removeprefix("Test").removesuffix(port)
