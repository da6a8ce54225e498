"""Downloads of stored pictures of 2 MB, in bytes per second, each from its start to its end on four connections.

Embedded: against Litestar's `File` response for the same bytes. S3: against a Litestar handler that passes on what
aioboto3 reads from the same bucket. Both servers are pinned to one core and the client to another.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

from tests.benchmarks.bench import Bench, Lab
from tests.benchmarks.harness import Line, Target, in_turns
from tests.benchmarks.load import connected, hammer, request
from tests.benchmarks.processes import Serving, on_other_core, running_yardstick

from nano_banana_lab.testing.gemini.pictures import jpeg

CONNECTIONS = 4
PICTURES = 8
PICTURE_BYTES = 2_000_000


async def run(bench: Bench) -> AsyncIterator[Line]:
    downloads = bench.size(400, quick=40)
    pictures = [jpeg((1376, 768), f"picture {number}", padding=PICTURE_BYTES) for number in range(PICTURES)]
    for stores in bench.kinds:
        with bench.lab(stores) as lab:
            kept = await _upload(lab, pictures)
            with (
                _bare(bench, lab.settings, pictures, [key for _, key in kept]) as (bare, names),
                on_other_core(lab, bare),
            ):

                async def ours(lab: Lab = lab, paths: Sequence[str] = [url for url, _ in kept]) -> float:
                    return await _throughput(lab.url, paths, downloads)

                async def yardstick(bare: Serving = bare, paths: Sequence[str] = names) -> float:
                    return await _throughput(bare.url, paths, downloads)

                found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
        yield Line(
            what="download",
            stores=stores,
            unit="MB/s",
            ours=found,
            yardstick=compared,
            target=Target(0.8, "at least"),
        )


async def _upload(lab: Lab, pictures: Sequence[bytes]) -> list[tuple[str, str]]:
    """Where each picture can be had, and its key."""
    async with connected(lab.url, 1) as [client]:
        answers = [await client.ask("POST", "/api/images", picture, content_type="image/jpeg") for picture in pictures]
    return [(answer["url"], answer["key"]) for answer in answers]


@contextlib.contextmanager
def _bare(
    bench: Bench, settings: dict[str, str], pictures: Sequence[bytes], keys: Sequence[str]
) -> Iterator[tuple[Serving, list[str]]]:
    """The yardstick for these stores, and its paths."""
    if "R2_BUCKET_NAME" in settings:
        of_the_bucket = ("R2_ENDPOINT_URL", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME")
        with running_yardstick("proxy", *(settings[name] for name in of_the_bucket)) as bare:
            yield bare, [f"/pictures/{key}" for key in keys]
        return
    folder = bench.folder / "plain"
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(picture)
    with running_yardstick("file_response", str(folder)) as bare:
        yield bare, [f"/pictures/{number}.jpg" for number in range(len(pictures))]


async def _throughput(url: str, paths: Sequence[str], downloads: int) -> float:
    raw = [request("GET", path) for path in paths]
    rate = await hammer(url, lambda n: raw[n % len(raw)], connections=CONNECTIONS, requests=downloads)
    return rate.megabytes_per_second
