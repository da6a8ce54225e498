"""256 generations at once in one process, each of which takes the upstream two seconds, against those two seconds.

Meanwhile `live` is asked every 5 ms by a process of its own; its 99th percentile in each round is what counts.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, percentile
from tests.benchmarks.load import connected
from tests.benchmarks.probe import probing

UPSTREAM_SECONDS = 2.0


async def run(bench: Bench) -> AsyncIterator[Line]:
    at_once, upstream = bench.size(256, quick=16), bench.size(UPSTREAM_SECONDS, quick=0.5)
    prompt = {"prompt": f"a harbour at dawn [[slow {upstream}]]"}
    for stores in bench.kinds:
        took, p99 = list[float](), list[float]()
        with bench.lab(stores) as lab:
            async with connected(lab.url, at_once) as clients:
                await clients[0].ask("POST", "/api/generate", {"prompt": "the first one of a process"})
                for _ in range(bench.rounds):
                    async with probing(lab.url) as latencies:
                        begun = time.perf_counter()
                        await asyncio.gather(*(client.ask("POST", "/api/generate", prompt) for client in clients))
                        took.append(time.perf_counter() - begun)
                    p99.append(percentile(latencies, 99) * 1000)
        yield Line(
            what=f"{at_once} generations at once",
            stores=stores,
            unit="s",
            ours=took,
            yardstick=[upstream] * len(took),
            target=Target(2, "at most"),
        )
        yield Line(
            what="... p99 of live meanwhile",
            stores=stores,
            unit="ms",
            ours=p99,
            target=Target(50, "at most", of="ours"),
        )
