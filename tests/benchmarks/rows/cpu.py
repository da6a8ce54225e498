"""Processor time of one generation: the whole lab's, against a process that only calls google-genai and stores the bytes.

Both make pictures eight at a time. Counted is what /proc says of the process, all threads, user and system together;
servers of stores, the stand-in and the clients are other processes and are left out on both sides.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

from tests.benchmarks.bench import BOTH, Bench, Stores
from tests.benchmarks.harness import Line, Target, in_turns
from tests.benchmarks.load import Connection, connected
from tests.benchmarks.processes import ROOT, Measured

AT_ONCE = 8

Wish = tuple[str, str]
"""A resolution and a prompt."""

ONE_K: Wish = ("1K", "a lighthouse in a storm")
FOUR_K: Wish = ("4K", "a lighthouse in a storm [[big]]")


async def run(bench: Bench) -> AsyncIterator[Line]:
    small, large = bench.size((120, 16), quick=(16, 8))
    for stores in BOTH:
        with bench.lab(stores) as lab:
            async with connected(lab.url, AT_ONCE) as clients, bare(bench, stores) as (process, make):
                for wish, count, target in ((ONE_K, small, Target(1.5, "at most")), (FOUR_K, large, None)):

                    async def ours(wish: Wish = wish, count: int = count) -> float:
                        before = lab.cpu_seconds()
                        await asyncio.gather(*(_make(client, wish, count // AT_ONCE) for client in clients))
                        return (lab.cpu_seconds() - before) / count * 1000

                    async def yardstick(wish: Wish = wish, count: int = count) -> float:
                        before = process.cpu_seconds()
                        await make(wish, count)
                        return (process.cpu_seconds() - before) / count * 1000

                    found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
                    yield Line(
                        what=f"CPU of a {wish[0]} generation",
                        stores=stores,
                        unit="ms",
                        ours=found,
                        yardstick=compared,
                        target=target,
                    )


async def _make(client: Connection, wish: Wish, count: int) -> None:
    resolution, prompt = wish
    for _ in range(count):
        await client.ask("POST", "/api/generate", {"prompt": prompt, "settings": {"resolution": resolution}})


@contextlib.asynccontextmanager
async def bare(bench: Bench, stores: Stores):
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

    async def make(wish: Wish, count: int) -> None:
        resolution, prompt = wish
        stdin.write(f"{count} {resolution} {prompt}\n".encode())
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
