"""The life of a picture made by the real client, chosen and stored by environment variables alone."""

import hashlib

import httpx
from tests.e2e.asking import generate, history, picture_sent, statistics
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble


async def test_the_answer_and_the_history_tell_the_same_of_a_picture(client: httpx.AsyncClient) -> None:
    answer = (await generate(client, "a fox reading")).raise_for_status().json()
    item = next(item for item in await history(client) if item["id"] == answer["id"])

    assert answer["id"] == answer["image"]["id"]
    for name in ("width", "height", "size_bytes", "mime_type", "filename", "url", "thumbnail_url"):
        assert answer["image"][name] == item[name]
    for name in ("prompt", "mode", "model", "created_at", "duration", "text_response"):
        assert answer[name] == item[name]
    assert (item["model"], item["prompt"]) == ("gemini-3-pro-image", "a fox reading")
    assert answer["usage"]["cost_usd"] == item["cost_usd"] > 0


async def test_a_picture_is_stored_and_served_exactly_as_the_model_sent_it(
    client: httpx.AsyncClient, gemini: GeminiDouble, stores: Stores
) -> None:
    image = (await generate(client, "a heron in fog")).raise_for_status().json()["image"]
    sent = await picture_sent(gemini, "a heron in fog")

    assert sent == (await client.get(image["url"])).content
    assert sent == stores.blobs()[image["key"]]
    assert hashlib.sha256(sent).hexdigest() == image["sha256"]


async def test_a_picture_costs_one_call(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    gemini.clear()
    await generate(client, "an owl, once")

    assert [request.prompt for request in gemini.requests] == ["an owl, once"]


async def test_deleting_every_picture_leaves_nothing_of_them(client: httpx.AsyncClient, stores: Stores) -> None:
    await generate(client, "one of two")
    thumbnail = (await generate(client, "two of two")).json()["image"]["thumbnail_url"]
    (await client.get(thumbnail)).raise_for_status()
    ids = [item["id"] for item in await history(client)]
    deleted = await client.request("DELETE", "/api/history", json={"ids": ids})

    assert len(ids) == deleted.json()["deleted_count"] >= 2
    assert await history(client) == []
    assert stores.blobs() == {}
    left = {name: value for name, value in stores.index().items() if "history" in name}
    assert {"history/anonymous/statistics"} >= left.keys()
    sums = await statistics(client)
    assert (sums["images_by_mode"], *(sums[f"total_{name}"] for name in TOTALS)) == ({}, 0, 0, 0, 0)


TOTALS = ("images", "duration", "cost_usd", "bytes")
