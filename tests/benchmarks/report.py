"""The lines of a run as a table for people, and as JSON for programs."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.benchmarks.harness import Line, quartiles

HEADINGS = ("row", "stores", "ours", "yardstick", "IQR of ours / of the yardstick", "ratio", "target", "")


def table(lines: Sequence[Line], *, markdown: bool = False) -> str:
    """One row for each line: medians, quartiles, the ratio, and whether the target is met."""
    rows = [HEADINGS, *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    if markdown:
        rows.insert(1, tuple("-" * width for width in widths))
    edge, gap = ("| ", " | ") if markdown else ("", "  ")
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join((edge + gap.join(cells) + edge[::-1]).rstrip() for cells in padded)


def verdict(lines: Sequence[Line]) -> str:
    """Which targets are missed, in words."""
    judged = [line for line in lines if line.met is not None]
    missed = [f"{line.what} ({line.stores})" for line in judged if not line.met]
    if not missed:
        return f"All {len(judged)} targets are met."
    return f"{len(missed)} of {len(judged)} targets MISSED: {'; '.join(missed)}."


def circumstances(*, quick: bool) -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "quick": quick,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "packages": {name: importlib.metadata.version(name) for name in ("litestar", "uvicorn", "google-genai")},
    }


def as_json(lines: Sequence[Line], about: dict[str, Any]) -> bytes:
    """Every number of every round, with what was made of them."""
    found = [{**msgspec.to_builtins(line), "ratio": line.ratio, "met": line.met} for line in lines]
    return msgspec.json.format(msgspec.json.encode({**about, "lines": found}), indent=1)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.what,
        line.stores,
        f"{_number(quartiles(line.ours)[1])} {line.unit}".rstrip(),
        f"{_number(quartiles(line.yardstick)[1])} {line.unit}".rstrip() if line.yardstick else "",
        " / ".join(_spread(values) for values in (line.ours, line.yardstick) if values),
        "" if line.ratio is None else f"{line.ratio:.2f}",
        _target(line),
        {True: "met", False: "MISSED", None: ""}[line.met],
    )


def _target(line: Line) -> str:
    if line.target is None:
        return ""
    sign = {"at most": "<=", "at least": ">="}[line.target.kind]
    return f"{sign} {line.target.limit:g}" + (f" {line.unit}".rstrip() if line.target.of == "ours" else "x")


def _spread(values: Sequence[float]) -> str:
    first, _, third = quartiles(values)
    return f"{_number(first)}-{_number(third)}"


def _number(value: float) -> str:
    """Three digits, or all there are before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _commit() -> str:
    """The commit, with a + when what is measured is not quite that; empty outside a repository."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=10"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()
