"""A turn of a chat, with what came before it, while the upstream answers at once. Without a yardstick."""

import time
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, repeated
from tests.benchmarks.load import connected


async def run(bench: Bench) -> AsyncIterator[Line]:
    turns = bench.size(10, quick=2)
    for stores in bench.kinds:
        with bench.lab(stores) as lab:
            async with connected(lab.url, 1) as [client]:

                async def conversation() -> float:
                    chat = await client.ask("POST", "/api/chat", {})
                    begun = time.perf_counter()
                    for turn in range(turns):
                        await client.ask("POST", f"/api/chat/{chat['session_id']}/message", {"message": f"more {turn}"})
                    return (time.perf_counter() - begun) / turns * 1000

                found = await repeated(conversation, rounds=bench.rounds)
        yield Line(what=f"a turn of a chat of {turns}", stores=stores, unit="ms", ours=found)
