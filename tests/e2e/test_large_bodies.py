"""Bodies of many megabytes, in both directions."""

import asyncio
import io
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image
from tests.e2e.asking import generate, picture_sent, visiting

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess

MEGABYTE = b"x" * 1_000_000
PROMPT = "the whole city from above [[big]]"


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield MEGABYTE


@pytest.mark.parametrize("headers", [{"Content-Length": "100000000"}, {"Transfer-Encoding": "chunked"}], ids=str)
async def test_a_body_of_a_hundred_megabytes_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(
        "/api/generate", content=_chunks(), headers={"Content-Type": "application/json", **headers}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["content-type"].partition(";")[0] == "application/problem+json"
    assert (await client.get("/api/health/live")).status_code == 200


async def test_a_picture_of_nineteen_megabytes_arrives_as_it_was_sent(
    client: httpx.AsyncClient, gemini: GeminiDouble, lab: LabProcess
) -> None:
    made = asyncio.create_task(generate(client, PROMPT, resolution="4K"))
    probes = 0
    async with visiting(lab) as probe:
        while not made.done():
            (await probe.get("/api/health/live")).raise_for_status()
            probes += 1
    image = (await made).raise_for_status().json()["image"]
    sent = await picture_sent(gemini, PROMPT, resolution="4K")

    assert sent == (await client.get(image["url"])).content
    assert (5504, 3072, len(sent), True) == (
        image["width"],
        image["height"],
        image["size_bytes"],
        image["matches_request"],
    )
    assert len(sent) > 19_000_000
    assert probes >= 5


async def test_a_part_of_a_large_picture_can_be_had(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    image = (await generate(client, PROMPT, resolution="4K")).raise_for_status().json()["image"]
    part = await client.get(image["url"], headers={"Range": "bytes=10000000-12345678"})
    sent = await picture_sent(gemini, PROMPT, resolution="4K")

    assert part.status_code == 206
    assert sent[10_000_000:12_345_679] == part.content
    assert f"bytes 10000000-12345678/{len(sent)}" == part.headers["content-range"]


async def test_the_thumbnail_of_a_large_picture_is_small(client: httpx.AsyncClient) -> None:
    image = (await generate(client, PROMPT, resolution="4K")).raise_for_status().json()["image"]
    thumbnail = await client.get(image["thumbnail_url"])
    with Image.open(io.BytesIO(thumbnail.content)) as small:
        found = (small.format, small.size)

    assert found == ("WEBP", (512, 286))
    assert thumbnail.headers["content-type"] == "image/webp"
    assert len(thumbnail.content) < 100_000


async def test_a_request_whose_headers_never_end_is_cut_off(client: httpx.AsyncClient) -> None:
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\nX-Endless: ")
    with pytest.raises(ConnectionError):  # noqa: PT012 - whichever write is the first to notice
        for _ in range(200):
            writer.write(MEGABYTE)
            await writer.drain()

    assert (await client.get("/api/health/live")).status_code == 200
