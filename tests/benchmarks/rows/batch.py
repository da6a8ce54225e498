"""A batch of a thousand prompts: how long until it is accepted, and until its last picture is kept, for each prompt.

The upstream answers at once, so this is what the lab itself takes. Without a yardstick.
"""

import time
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.events import until_done
from tests.benchmarks.harness import Line
from tests.benchmarks.load import connected


async def run(bench: Bench) -> AsyncIterator[Line]:
    count = bench.size(1000, quick=20)
    prompts = {"prompts": [f"a postcard from town {number}" for number in range(count)]}
    for stores in bench.kinds:
        accepted, done = list[float](), list[float]()
        with bench.lab(stores) as lab:
            async with connected(lab.url, 1) as [client]:
                await client.ask("POST", "/api/generate", {"prompt": "the first one of a process"})
                for _ in range(bench.size(2, quick=1)):
                    begun = time.perf_counter()
                    task = await client.ask("POST", "/api/generate/batch", prompts)
                    accepted.append((time.perf_counter() - begun) / count * 1000)
                    await until_done(lab.url, task["task_id"])
                    done.append((time.perf_counter() - begun) / count * 1000)
        yield Line(what=f"batch of {count}, accepting a prompt", stores=stores, unit="ms", ours=accepted)
        yield Line(what=f"batch of {count}, a prompt until done", stores=stores, unit="ms", ours=done)
