"""From exec to the first 200 of `/api/health/ready`, against a Litestar application with one handler on the same server.

The lab has embedded stores and an operator's key, so that after its start it loads the client for Gemini.
Both are asked every 2 ms. What must not be loaded before is read off Python's own list of imports.
"""

import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, in_turns
from tests.benchmarks.processes import beginning

from nano_banana_lab.testing.child_process import free_port

SLOW = ("google.genai", "boto3", "botocore", "docket")
"""Libraries that take a large part of a second to load."""


async def run(bench: Bench) -> AsyncIterator[Line]:
    settings = bench.settings("embedded")
    lab = [str(Path(sys.executable).with_name("nano-banana-lab")), "serve"]
    bare = [sys.executable, "-m", "tests.benchmarks.yardsticks.one_handler"]

    def ours() -> float:
        port = free_port()
        return _seconds(lab, port, "/api/health/ready", {**settings, "HOST": "127.0.0.1", "PORT": str(port)})

    def yardstick() -> float:
        port = free_port()
        return _seconds([*bare, str(port)], port, "/ready", {})

    found, compared = await in_turns(ours, yardstick, rounds=bench.size(bench.rounds * 2, quick=bench.rounds))
    yield Line(
        what="start, exec to ready",
        stores="embedded",
        unit="s",
        ours=found,
        yardstick=compared,
        target=Target(2, "at most"),
    )
    yield Line(
        what="start, of google boto docket loaded",
        stores="embedded",
        unit="",
        ours=[_slow_imports(lab, settings) for _ in range(bench.rounds)],
        target=Target(0, "at most", of="ours"),
    )


def _seconds(command: Sequence[str], port: int, path: str, environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    with beginning(command, port, environment) as process:
        process.wait_ready(path)
        return time.perf_counter() - begun


def _slow_imports(command: Sequence[str], settings: dict[str, str]) -> int:
    """How many of the slow libraries are being loaded by the first answer; Python names each module that is."""
    port = free_port()
    environment = {**settings, "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPROFILEIMPORTTIME": "1"}
    with beginning(command, port, environment) as process:
        process.wait_ready("/api/health/ready")
        log = process.log()
    return sum(bool(re.search(rf"\| +{re.escape(name)}\b", log)) for name in SLOW)
