"""Processor time of one generation: the whole lab's, against a process that only calls google-genai and stores the bytes.

The picture has 1.4 MB, as Google's have, and both make pictures eight at a time. Counted is what /proc says of the process, all threads, user and system together;
servers of stores, the stand-in and the clients are other processes and are left out on both sides.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tests.benchmarks.bench import Bench, Lab, Stores
from tests.benchmarks.harness import Line, Target, in_turns
from tests.benchmarks.load import Connection, connected
from tests.benchmarks.processes import ROOT, Measured

AT_ONCE = 8

PROMPT = "a lighthouse in a storm [[weight 1400000]]"

Make = Callable[[int], Awaitable[None]]
"""Makes so many pictures."""


async def run(bench: Bench) -> AsyncIterator[Line]:
    count = bench.size(120, quick=16)
    for stores in bench.kinds:
        with bench.lab(stores) as lab:
            async with connected(lab.url, AT_ONCE) as clients, _bare(bench, stores) as (process, make):

                async def ours(lab: Lab = lab, clients: Sequence[Connection] = clients) -> float:
                    before = lab.cpu_seconds()
                    await asyncio.gather(*(_make(client, count // AT_ONCE) for client in clients))
                    return (lab.cpu_seconds() - before) / count * 1000

                async def yardstick(process: Measured = process, make: Make = make) -> float:
                    before = process.cpu_seconds()
                    await make(count)
                    return (process.cpu_seconds() - before) / count * 1000

                found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
        yield Line(
            what="CPU of a 1K generation",
            stores=stores,
            unit="ms",
            ours=found,
            yardstick=compared,
            target=Target(1.5, "at most"),
        )


async def _make(client: Connection, count: int) -> None:
    for _ in range(count):
        await client.ask("POST", "/api/generate", {"prompt": PROMPT})


@contextlib.asynccontextmanager
async def _bare(bench: Bench, stores: Stores) -> AsyncIterator[tuple[Measured, Make]]:
    """The process with nothing but the SDK, and how to let it make pictures."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.yardsticks.sdk_call",
        bench.gemini_url,
        *_where(bench, stores),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    await _hear(stdout, b"ready\n")

    async def make(count: int) -> None:
        stdin.write(f"{count} {PROMPT}\n".encode())
        await _hear(stdout, b"done\n")

    try:
        yield Measured(process.pid), make
    finally:
        stdin.close()
        await process.wait()


async def _hear(stdout: asyncio.StreamReader, expected: bytes) -> None:
    if (said := await stdout.readline()) != expected:
        raise RuntimeError(f"the bare process said {said!r} instead of {expected!r}")


def _where(bench: Bench, stores: Stores) -> list[str]:
    if stores == "embedded":
        folder = bench.folder / "bare"
        folder.mkdir(exist_ok=True)
        return [str(folder)]
    bucket = bench.s3.create_bucket("bare")
    return [bench.s3.endpoint_url, bench.s3.access_key_id, bench.s3.secret_access_key, bucket]
