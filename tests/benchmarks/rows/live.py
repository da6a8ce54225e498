"""How often `GET /api/health/live` is answered, against a Litestar application with one handler on the same server.

Sixteen kept-alive connections send requests that were built before. Both servers are pinned to one core
and the client to another.
"""

from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, in_turns
from tests.benchmarks.load import hammer, request
from tests.benchmarks.processes import on_other_core, running_yardstick

CONNECTIONS = 16


async def run(bench: Bench) -> AsyncIterator[Line]:
    requests = bench.size(10_000, quick=500)
    with bench.lab("embedded") as lab, running_yardstick("one_handler") as bare, on_other_core(lab, bare):

        async def ours() -> float:
            return await _rate(lab.url, "/api/health/live", requests)

        async def yardstick() -> float:
            return await _rate(bare.url, "/ready", requests)

        found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
    yield Line(
        what="live",
        stores="embedded",
        unit="req/s",
        ours=found,
        yardstick=compared,
        target=Target(0.7, "at least"),
    )


async def _rate(url: str, path: str, requests: int) -> float:
    raw = request("GET", path)
    return (await hammer(url, lambda _: raw, connections=CONNECTIONS, requests=requests)).per_second
