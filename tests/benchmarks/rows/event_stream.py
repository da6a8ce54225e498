"""Following a finished task from its first event to its last, for each event. Without a yardstick."""

import time
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.events import until_done
from tests.benchmarks.harness import Line, repeated
from tests.benchmarks.load import connected


async def run(bench: Bench) -> AsyncIterator[Line]:
    prompts = {"prompts": [f"a stamp of {number} cents" for number in range(bench.size(100, quick=10))]}
    for stores in bench.kinds:
        with bench.lab(stores) as lab:
            async with connected(lab.url, 1) as [client]:
                task = await client.ask("POST", "/api/generate/batch", prompts)
                await until_done(lab.url, task["task_id"])

            async def replay(url: str = lab.url, task_id: str = task["task_id"]) -> float:
                begun = time.perf_counter()
                events = await until_done(url, task_id)
                return (time.perf_counter() - begun) / events * 1000

            found = await repeated(replay, rounds=bench.rounds)
        yield Line(what="an event of a task", stores=stores, unit="ms", ours=found)
