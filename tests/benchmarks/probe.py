"""Ask `live` over and over from a process of its own, as an orchestrator in a great hurry.

`python -m tests.benchmarks.probe URL` says "asking" when it has begun and, when its standard input closes, prints
how many seconds each answer took, as JSON.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator

from tests.benchmarks.load import Connection, request
from tests.benchmarks.processes import ROOT

PAUSE_SECONDS = 0.005


@contextlib.asynccontextmanager
async def probing(url: str) -> AsyncIterator[list[float]]:
    """Seconds that each answer took while the block ran; the list is filled at its end."""
    latencies: list[float] = []
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, url, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**26
    )
    assert probe.stdout is not None
    await probe.stdout.readline()
    try:
        yield latencies
    finally:
        said, _ = await probe.communicate(b"")
        latencies += json.loads(said or "[]")


async def _ask(url: str, over: threading.Event) -> list[float]:
    connection, raw, latencies = await Connection.open(url), request("GET", "/api/health/live"), list[float]()
    print("asking", flush=True)
    while not over.is_set():
        begun = time.perf_counter()
        await connection.send(raw)
        latencies.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE_SECONDS)
    return latencies


if __name__ == "__main__":
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    print(json.dumps(asyncio.run(_ask(sys.argv[1], closed))))
