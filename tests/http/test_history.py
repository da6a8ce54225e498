"""`/api/history`: list, search, statistics and detail."""

import base64
import hashlib
from typing import Any

import pytest

from nano_banana_lab.core.history.picture import Mode

ITEM = {
    "id", "filename", "prompt", "mode", "settings", "duration", "created_at", "url", "r2_key", "text_response",
    "thinking", "session_id", "thumbnail_url", "width", "height", "size_bytes", "mime_type", "model", "cost_usd",
    "grounding",
}  # fmt: skip


async def prompts(service: Any, query: str = "") -> list[str]:
    response = await service.client.get(f"/api/history?{query}")
    assert response.status_code == 200, response.text
    return [item["prompt"] for item in response.json()["items"]]


async def test_an_empty_history_is_an_empty_page(client: Any) -> None:
    response = await client.get("/api/history")

    assert response.json() == {
        "items": [], "total": 0, "limit": 20, "offset": 0, "has_more": False, "next_cursor": None,
    }  # fmt: skip
    assert response.headers["cache-control"] == "no-store"


async def test_an_item_has_what_the_contract_says(service: Any) -> None:
    made = await service.generated("a corgi", settings={"aspect_ratio": "1:1"})
    (item,) = (await service.client.get("/api/history")).json()["items"]

    image = made["image"]
    assert set(item) == ITEM
    assert (item["id"], item["filename"], item["r2_key"]) == (image["id"], image["filename"], image["key"])
    assert (item["prompt"], item["mode"], item["model"]) == ("a corgi", "basic", "scripted")
    assert item["settings"] == {"aspect_ratio": "1:1", "resolution": "1K"}
    assert (item["created_at"], item["duration"]) == (made["created_at"], made["duration"])
    assert (item["url"], item["thumbnail_url"]) == (image["url"], image["thumbnail_url"])
    assert (item["width"], item["height"], item["size_bytes"]) == (1024, 1024, image["size_bytes"])
    assert (item["text_response"], item["thinking"], item["session_id"], item["grounding"]) == (None,) * 4
    assert item["cost_usd"] == made["usage"]["cost_usd"]


async def test_twenty_newest_are_listed_unless_asked_otherwise(service: Any) -> None:
    for number in range(25):
        await service.kept(f"picture {number}")
    page = (await service.client.get("/api/history")).json()

    assert [item["prompt"] for item in page["items"]] == [f"picture {number}" for number in range(24, 4, -1)]
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (25, 20, 0, True)
    assert len(await prompts(service, "limit=100")) == 25


async def test_limit_offset_and_order_are_obeyed(service: Any) -> None:
    for number in range(5):
        await service.kept(f"picture {number}")

    assert await prompts(service, "limit=2&offset=1") == ["picture 3", "picture 2"]
    assert await prompts(service, "limit=2&offset=1&sort=oldest") == ["picture 1", "picture 2"]
    assert await prompts(service, "offset=1000000000") == []


@pytest.mark.parametrize("more", ["", "&search=PICTURE", "&mode=basic", "&date_from=2026-01-01"])
@pytest.mark.parametrize("sort", ["newest", "oldest"])
async def test_cursors_lead_through_everything_once(service: Any, sort: str, more: str) -> None:
    for number in range(7):
        await service.kept(f"picture {number}")
    found, cursor = [], ""
    for _ in range(3):
        page = (await service.client.get(f"/api/history?limit=3&sort={sort}{more}&cursor={cursor}")).json()
        found += [item["prompt"] for item in page["items"]]
        assert page["total"] == 7
        assert page["has_more"] is (page["next_cursor"] is not None)
        cursor = page["next_cursor"]
        await service.kept("come late", mode=Mode.CHAT)
        await service.client.delete(f"/api/history/{(await latest(service))['id']}")

    assert cursor is None
    expected = [f"picture {number}" for number in range(7)]
    assert found == (expected if sort == "oldest" else expected[::-1])


async def latest(service: Any) -> dict[str, Any]:
    return (await service.client.get("/api/history?limit=1")).json()["items"][0]


async def some_cursor(service: Any, query: str = "") -> str:
    for _ in range(2):
        await service.kept()
    return (await service.client.get(f"/api/history?limit=1&{query}")).json()["next_cursor"]


async def test_a_cursor_of_another_order_is_refused(service: Any, wrong_fields: Any) -> None:
    cursor = await some_cursor(service)

    refused = await service.client.get(f"/api/history?sort=oldest&cursor={cursor}")
    assert wrong_fields(refused) == [("cursor", "bad_cursor")]


@pytest.mark.parametrize("cursor", ["x", "=", "====", "AAAA", "柯基", "%00", "a b", "x" * 5000, "WzEsICJhIl0", "-_-_"])
async def test_a_cursor_that_was_never_issued_is_refused(refusing: Any, wrong_fields: Any, cursor: str) -> None:
    refused = await refusing.get(f"/api/history?cursor={cursor}")

    assert wrong_fields(refused) == [("cursor", "bad_cursor")]


async def test_a_cursor_with_one_character_changed_is_refused(service: Any, wrong_fields: Any) -> None:
    cursor = await some_cursor(service)
    for position in range(0, len(cursor) - 1, 7):
        forged = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        refused = await service.client.get("/api/history", params={"cursor": forged})

        assert wrong_fields(refused) == [("cursor", "bad_cursor")]


async def test_a_cursor_of_a_lab_with_another_secret_is_refused(open_service: Any, wrong_fields: Any) -> None:
    async with open_service(SECRET_KEY="a" * 40) as one, open_service(SECRET_KEY="b" * 40) as other:
        cursor = await some_cursor(one)
        refused = await other.client.get(f"/api/history?cursor={cursor}")

        assert wrong_fields(refused) == [("cursor", "bad_cursor")]


async def test_a_cursor_tells_nobodys_secrets(service: Any) -> None:
    cursor = await some_cursor(service)

    assert b"k" * 48 not in base64.urlsafe_b64decode(cursor + "==")


@pytest.mark.parametrize("mode", ["basic", "chat", "batch", "blend", "style", "search", "upload"])
async def test_every_mode_can_be_asked_for(service: Any, mode: str) -> None:
    for each in Mode:
        await service.kept(str(each), mode=each)

    assert await prompts(service, f"mode={mode}") == [mode]


async def test_uploads_are_listed_only_when_asked_for(service: Any) -> None:
    await service.kept("uploaded", mode=Mode.UPLOAD)

    assert (await prompts(service), await prompts(service, "mode=")) == ([], [])
    assert await prompts(service, "mode=upload") == ["uploaded"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date_from=2026-11-22T12:00:02Z", ["picture 2", "picture 1"]),
        ("date_to=2026-11-22T12:00:02Z", ["picture 0"]),
        ("date_from=2026-11-22T12:00:02.000Z&date_to=2026-11-22T12:00:03.000Z", ["picture 1"]),
        ("date_from=2026-11-22T13:00:03%2B01:00", ["picture 2"]),
        ("date_from=2026-11-22T13:00:03+01:00", ["picture 2"]),
        ("date_from=2026-11-22", ["picture 2", "picture 1", "picture 0"]),
        ("date_from=2026-11-23", []),
        ("date_to=2026-11-22", []),
        ("date_from=2026-11-23&date_to=2026-11-21", []),
        ("date_from=&date_to=", ["picture 2", "picture 1", "picture 0"]),
        ("date_from=0001-01-01&date_to=9999-12-31T23:59:59.999Z", ["picture 2", "picture 1", "picture 0"]),
    ],
)
async def test_a_date_range_includes_its_start_and_excludes_its_end(service: Any, query: str, found: list[str]) -> None:
    for number in range(3):
        await service.kept(f"picture {number}")

    assert await prompts(service, query) == found


async def test_search_finds_parts_of_prompts_in_any_case(service: Any) -> None:
    for prompt in ("A Corgi in a teacup", "柯基犬", "100% wool & silk"):
        await service.kept(prompt)

    for search, found in (("corgi", "A Corgi in a teacup"), ("柯基", "柯基犬"), ("% WOOL &", "100% wool & silk")):
        response = await service.client.get("/api/history", params={"search": search})
        assert ([item["prompt"] for item in response.json()["items"]], response.json()["total"]) == ([found], 1)


async def test_times_are_rfc_3339_in_utc_with_milliseconds(service: Any) -> None:
    service.clock.advance(0.12)
    await service.kept()

    assert (await latest(service))["created_at"] == "2026-11-22T12:00:01.120Z"


async def test_statistics_of_nothing_are_zero(client: Any) -> None:
    assert (await client.get("/api/history/stats")).json() == {
        "total_images": 0,
        "images_by_mode": {},
        "total_duration": 0.0,
        "average_duration": 0.0,
        "earliest_date": None,
        "latest_date": None,
        "total_cost_usd": 0.0,
        "total_bytes": 0,
    }


async def test_statistics_add_up(service: Any) -> None:
    first, last = await service.kept(duration=1.0), await service.kept(duration=2.0, mode=Mode.CHAT)

    assert (await service.client.get("/api/history/stats")).json() == {
        "total_images": 2,
        "images_by_mode": {"basic": 1, "chat": 1},
        "total_duration": 3.0,
        "average_duration": 1.5,
        "earliest_date": "2026-11-22T12:00:01.000Z",
        "latest_date": "2026-11-22T12:00:02.000Z",
        "total_cost_usd": 0.2,
        "total_bytes": first.size_bytes + last.size_bytes,
    }


async def test_a_detail_is_the_item_and_its_address(service: Any) -> None:
    made = await service.generated()
    detail = (await service.client.get(f"/api/history/{made['id']}")).json()

    assert detail == {"item": await latest(service), "image_url": made["image"]["url"], "image_base64": None}


async def test_a_detail_brings_the_bytes_along_when_asked(service: Any) -> None:
    made = await service.generated()
    detail = (await service.client.get(f"/api/history/{made['id']}?include_image=true")).json()

    data = base64.b64decode(detail["image_base64"], validate=True)
    assert hashlib.sha256(data).hexdigest() == made["image"]["sha256"]


async def test_a_detail_whose_bytes_are_lost_is_not_found(service: Any, is_problem: Any) -> None:
    made = await service.generated()
    await service.blobs.delete(made["image"]["key"])

    is_problem(await service.client.get(f"/api/history/{made['id']}?include_image=true"), 404, "image_not_found")
    assert (await service.client.get(f"/api/history/{made['id']}")).status_code == 200
