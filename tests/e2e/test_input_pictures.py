"""Pictures that users bring along, from the client to what Google is sent."""

import asyncio
import base64
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from PIL import Image
from tests.e2e.asking import generate, history, quota, visiting
from tests.e2e.conftest import Deployment
from tests.e2e.hostile_files import HOSTILE, picture
from tests.e2e.store_setups import EmbeddedStores
from tests.e2e.trial import FOR_GUESTS, new_guests, reservations

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import running_lab

BLEND, STYLE, SEARCH, UPLOAD = (
    "/api/generate/blend",
    "/api/generate/style",
    "/api/generate/search",
    "/api/images",
)


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def form(request: Any, *files: tuple[str, bytes]) -> list[Any]:
    """A form with these files, whose part `request` comes first."""
    parts: list[Any] = [("request", (None, msgspec.json.encode(request), "application/json"))]
    return parts + [(name, ("a.png", data, "image/png")) for name, data in files]


def parts_sent(gemini: GeminiDouble, prompt: str) -> list[str]:
    """What Google was sent with this prompt, in order: the hash of each picture, and the prompt."""
    [request] = [each for each in gemini.requests if each.prompt == prompt]
    [content] = request.body["contents"]
    return [part["inlineData"]["data"] if "inlineData" in part else part["text"] for part in content["parts"]]


def types_sent(gemini: GeminiDouble, prompt: str) -> list[str]:
    [request] = [each for each in gemini.requests if each.prompt == prompt]
    return [part["inlineData"]["mimeType"] for part in request.body["contents"][0]["parts"] if "inlineData" in part]


def marked(*pictures: bytes) -> list[str]:
    return [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in pictures]


def five_megabytes(noise: bytes, number: int) -> bytes:
    """A sound PNG of so much noise, for every number another one."""
    file = io.BytesIO()
    Image.frombytes("RGB", (1000, 1667), bytes([number]) + noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


@pytest.fixture(autouse=True)
def _nothing_asked_yet(gemini: GeminiDouble) -> None:
    gemini.clear()


async def test_a_key_a_data_url_and_a_file_reach_google_in_this_order_byte_for_byte(
    client: httpx.AsyncClient, gemini: GeminiDouble
) -> None:
    first, second, third = picture("JPEG"), picture("PNG"), picture("WEBP")
    kept = (await client.post(UPLOAD, content=first, headers={"Content-Type": "image/jpeg"})).raise_for_status().json()
    request = {"image_keys": [kept["key"]], "images": [{"data": data_url(second)}], "blend_prompt": "all three"}
    made = (await client.post(BLEND, files=form(request, ("images", third)))).raise_for_status().json()

    assert [*marked(first, second, third), "all three"] == parts_sent(gemini, "all three")
    assert types_sent(gemini, "all three") == ["image/jpeg", "image/png", "image/webp"]
    assert (made["mode"], made["image"]["matches_request"]) == ("blend", True)
    assert (await client.get(kept["url"])).content == first


async def test_a_picture_made_here_is_sent_back_as_it_came(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    image = (await generate(client, "a corgi")).raise_for_status().json()["image"]
    original = (await client.get(image["url"])).content
    body = {"content_image_key": image["key"], "style_image": {"data": data_url(picture())}, "style_prompt": "woodcut"}
    (await client.post(STYLE, json=body)).raise_for_status()

    prompt = gemini.requests[-1].prompt
    assert parts_sent(gemini, prompt) == [*marked(original, picture()), prompt]
    assert prompt.endswith("woodcut")


async def test_only_a_search_brings_the_search_along(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    found = (await client.post(SEARCH, json={"prompt": "the weather"})).raise_for_status().json()
    plain = (await generate(client, "the weather as well")).raise_for_status().json()
    item = (await client.get(f"/api/history/{found['id']}")).raise_for_status().json()["item"]

    assert [request.body.get("tools") for request in gemini.requests] == [[{"googleSearch": {}}], None]
    assert found["search_sources"] == found["grounding"]["search_suggestions_html"] != ""
    assert found["grounding"]["sources"] != []
    assert (item["mode"], item["grounding"], plain["grounding"]) == ("search", found["grounding"], None)


@pytest.fixture
def trial(tmp_path: Path, gemini_settings: dict[str, str]) -> Iterator[Deployment]:
    stores = EmbeddedStores(tmp_path / "data")
    with running_lab(tmp_path, **stores.settings, **gemini_settings | FOR_GUESTS) as lab:
        yield Deployment(lab, stores)


async def test_hostile_files_are_refused_and_leave_no_trace(trial: Deployment, gemini: GeminiDouble) -> None:
    async with new_guests(1, trial.lab) as [[guest]]:
        before = await quota(guest)
        # One after the other: a request that is being looked at has begun its guest's cooldown, until it is refused.
        answers = {name: [await sent for sent in _ways_in(guest, data)] for name, data in HOSTILE.items()}
        after = await quota(guest)
        uploads = (await guest.get("/api/history", params={"mode": "upload"})).raise_for_status().json()["total"]

    assert len(answers) >= 30
    for name, found in answers.items():
        assert {(answer.status_code, answer.json()["code"]) for answer in found} == {(422, "invalid_image")}, name
    assert (before, 0, []) == (after, uploads, gemini.requests)
    assert (trial.stores.blobs(), reservations(trial.stores)) == ({}, [])


def _ways_in(guest: httpx.AsyncClient, data: bytes) -> list[Any]:
    sound, encoded = ("images", picture()), base64.b64encode(data).decode()
    return [
        guest.post(UPLOAD, files={"file": ("a.png", data, "image/png")}),
        guest.post(BLEND, files=form({"images": [{"data": encoded, "mime_type": "image/png"}]}, sound)),
        guest.post(STYLE, files=form({"style_prompt": "woodcut"}, ("content_image", data))),
    ]


async def test_the_lab_goes_on_answering_while_seventy_megabytes_are_blended(
    on_embedded_stores: Deployment, gemini: GeminiDouble
) -> None:
    noise = os.urandom(5_000_999)
    pictures = [five_megabytes(noise, number) for number in range(14)]
    request = {"images": [{"data": data_url(data)} for data in pictures[:7]], "blend_prompt": "a lot"}
    probes = 0
    async with visiting(on_embedded_stores.lab) as client, visiting(on_embedded_stores.lab) as probe:
        files = form(request, *(("images", data) for data in pictures[7:]))
        blending = asyncio.create_task(client.post(BLEND, files=files))
        while not blending.done():
            (await probe.get("/api/health/live")).raise_for_status()
            probes += 1
        made = (await blending).raise_for_status().json()
        listed = [line["id"] for line in await history(client)]

    assert [*marked(*pictures), "a lot"] == parts_sent(gemini, "a lot")
    assert sum(map(len, pictures)) > 70_000_000
    assert made["id"] in listed
    assert probes >= 5
