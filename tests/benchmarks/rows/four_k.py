"""4K pictures of 19.5 MB, which arrive in 26 MB of JSON: how long the event loop stands still, and how much memory it takes.

Stall: the longest that `live` took in a round, asked every 5 ms by another process; what the loop stood still is at most
that. Memory: by how much the lab's resident memory rose at its peak over what it was before, when it had made 1K pictures
only, divided by the requests in flight; the yardstick is the length of one picture. Each round has a process of its own,
so that nothing an earlier round left behind is counted as there before.
"""

import asyncio
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench, Stores
from tests.benchmarks.harness import Line, Target
from tests.benchmarks.load import Connection, connected
from tests.benchmarks.probe import probing

PROMPT = "the whole city from above [[big]]"


async def run(bench: Bench) -> AsyncIterator[Line]:
    for stores in bench.kinds:
        for in_flight in bench.size((1, 4), quick=(2,)):
            found = [await _round(bench, stores, in_flight) for _ in range(bench.rounds)]
            yield Line(
                what=f"4K, {in_flight} in flight: longest stall",
                stores=stores,
                unit="ms",
                ours=[stall for stall, _, _ in found],
                target=Target(100, "at most", of="ours"),
            )
            yield Line(
                what=f"4K, {in_flight} in flight: peak memory each",
                stores=stores,
                unit="MB",
                ours=[memory for _, memory, _ in found],
                yardstick=[size for _, _, size in found],
                target=Target(3.5, "at most"),
            )


async def _round(bench: Bench, stores: Stores, in_flight: int) -> tuple[float, float, float]:
    """The longest stall in ms, and peak memory for each request and the picture's size in MB."""
    with bench.lab(stores) as lab:
        async with connected(lab.url, in_flight) as clients:
            await asyncio.gather(*(_make(client, "a boat", "1K") for client in clients))
            lab.forget_peak()
            before = lab.resident_bytes()
            async with probing(lab.url) as latencies:
                sizes = await asyncio.gather(*(_make(client, PROMPT, "4K") for client in clients))
            peak = lab.peak_resident_bytes() - before
    return max(latencies) * 1000, peak / in_flight / 1e6, sizes[0] / 1e6


async def _make(client: Connection, prompt: str, resolution: str) -> int:
    answer = await client.ask("POST", "/api/generate", {"prompt": prompt, "settings": {"resolution": resolution}})
    return int(answer["image"]["size_bytes"])
