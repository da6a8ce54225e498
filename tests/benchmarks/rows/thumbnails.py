"""The small copy of a picture of 5504 x 3072 pixels: made for whoever asks first, and had by the others.

Without a yardstick.
"""

import time
from collections.abc import AsyncIterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line
from tests.benchmarks.load import Connection, connected, request

from nano_banana_lab.testing.gemini.pictures import jpeg

TIMES = 20


async def run(bench: Bench) -> AsyncIterator[Line]:
    size = bench.size((5504, 3072), quick=(1376, 768))
    for stores in bench.kinds:
        made, had = list[float](), list[float]()
        with bench.lab(stores) as lab:
            async with connected(lab.url, 1) as [client]:
                await _first_and_next(client, jpeg(size, "the first one of a process"))
                for number in range(bench.rounds):
                    first, following = await _first_and_next(client, jpeg(size, f"picture {number}"))
                    made.append(first)
                    had.append(following)
        yield Line(what="a 4K picture's thumbnail, made", stores=stores, unit="ms", ours=made)
        yield Line(what="a 4K picture's thumbnail, kept", stores=stores, unit="ms", ours=had)


async def _first_and_next(client: Connection, picture: bytes) -> tuple[float, float]:
    kept = await client.ask("POST", "/api/images", picture, content_type="image/jpeg")
    raw = request("GET", kept["thumbnail_url"])
    begun = time.perf_counter()
    await client.send(raw)
    first = time.perf_counter()
    for _ in range(TIMES):
        await client.send(raw)
    return (first - begun) * 1000, (time.perf_counter() - first) / TIMES * 1000
