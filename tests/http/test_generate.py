"""`POST /api/generate` and `/estimate`: what a client gets, and what it gets told when there is no picture."""

import asyncio
from typing import Any

import httpx
import pytest

from nano_banana_lab.core.generation.admission import Overloaded
from nano_banana_lab.core.generation.generated_image import GeneratedImage, SafetyRating, Usage
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    NoApiKey,
    NoImage,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from nano_banana_lab.core.history.grounding import Grounding, Source
from nano_banana_lab.testing.scripted_image_model import striped_png

IMAGE_FIELDS = {
    "key": str,
    "filename": str,
    "url": str,
    "width": int,
    "height": int,
    "id": str,
    "mime_type": str,
    "size_bytes": int,
    "sha256": str,
    "thumbnail_url": str,
    "requested_resolution": str,
    "matches_request": bool,
}


async def test_a_prompt_is_answered_with_a_picture(service: Any) -> None:
    response = await service.client.post("/api/generate", json={"prompt": " a corgi in a teacup "})
    body = response.json()

    assert response.status_code == 200
    assert set(body) == {
        "image", "prompt", "thinking", "text_response", "duration", "mode", "settings", "created_at",
        "id", "model", "usage", "grounding", "safety_ratings",
    }  # fmt: skip
    assert {name: type(value) for name, value in body["image"].items()} == IMAGE_FIELDS
    assert body["id"] == body["image"]["id"]
    assert (body["prompt"], body["mode"], body["model"]) == ("a corgi in a teacup", "basic", "scripted")
    assert (body["thinking"], body["text_response"], body["grounding"], body["safety_ratings"]) == (
        None,
        None,
        None,
        [],
    )
    assert body["created_at"] == "2026-11-22T12:00:00.000Z"
    assert isinstance(body["duration"], float)


async def test_settings_have_defaults_and_come_back(service: Any) -> None:
    default = await service.generated()
    chosen = await service.generated(settings={"aspect_ratio": "21:9", "resolution": "4K", "safety_level": "none"})

    assert default["settings"] == {"aspect_ratio": "16:9", "resolution": "1K", "safety_level": "moderate"}
    assert chosen["settings"] == {"aspect_ratio": "21:9", "resolution": "4K", "safety_level": "none"}
    assert (chosen["image"]["requested_resolution"], chosen["image"]["matches_request"]) == ("4K", True)


@pytest.mark.parametrize("ratio", ["1:1", "16:9", "9:16", "4:3", "3:4", "2:3", "3:2", "4:5", "5:4", "21:9"])
async def test_every_documented_ratio_is_accepted(service: Any, ratio: str) -> None:
    body = await service.generated(settings={"aspect_ratio": ratio})

    assert body["image"]["matches_request"]


async def test_usage_and_cost_are_those_of_the_answer(service: Any) -> None:
    body = await service.generated()

    assert body["usage"] == {
        "prompt_tokens": 32,
        "output_tokens": 1220,
        "thinking_tokens": 200,
        "total_tokens": 1452,
        "cost_usd": pytest.approx((1120 * 120 + 300 * 12 + 32 * 2) / 1_000_000),
    }


async def test_all_that_the_model_said_reaches_the_client(service: Any) -> None:
    service.model.then(
        GeneratedImage(
            data=striped_png(1376, 768),
            mime_type="image/png",
            model="scripted",
            model_version="scripted",
            text="Here.",
            thinking="Hm.",
            usage=Usage(total_tokens=5),
            grounding=Grounding(
                queries=("corgi",),
                sources=(Source(uri="https://x.test", title="x"),),
                search_suggestions_html="<b>x</b>",
            ),
            safety_ratings=(SafetyRating(category="HARASSMENT", probability="LOW"),),
        )
    )
    body = await service.generated(include_thinking=True)

    assert (body["text_response"], body["thinking"]) == ("Here.", "Hm.")
    assert body["grounding"] == {
        "queries": ["corgi"],
        "sources": [{"uri": "https://x.test", "title": "x"}],
        "search_suggestions_html": "<b>x</b>",
    }
    assert body["safety_ratings"] == [{"category": "HARASSMENT", "probability": "LOW", "blocked": False}]


async def test_thoughts_are_asked_for_only_on_request(service: Any) -> None:
    await service.generated()
    await service.generated(include_thinking=True)

    assert [request.include_thinking for request in service.model.requests] == [False, True]


async def test_the_url_works_and_leads_to_the_picture(service: Any) -> None:
    body = await service.generated()
    picture = await service.client.get(body["image"]["url"])
    thumbnail = await service.client.get(body["image"]["thumbnail_url"])

    assert (picture.status_code, len(picture.content)) == (200, body["image"]["size_bytes"])
    assert thumbnail.headers["content-type"] == "image/webp"


async def test_a_published_store_gives_public_urls(open_service: Any) -> None:
    async with open_service() as service:
        service.blobs.public_url = lambda key: f"https://cdn.test/{key}"
        body = await service.generated()

        assert body["image"]["url"] == f"https://cdn.test/{body['image']['key']}"
        assert body["image"]["thumbnail_url"].startswith("/api/history/")


async def test_unknown_fields_are_ignored(service: Any) -> None:
    body = await service.generated(style="noir", settings={"aspect_ratio": "1:1", "quality": 9})

    assert body["settings"]["aspect_ratio"] == "1:1"


async def test_two_thousand_characters_after_trimming_are_accepted(service: Any) -> None:
    assert len((await service.generated("  " + "ü" * 2000 + "\n"))["prompt"]) == 2000


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/ld+json", ""]
)
async def test_json_by_any_of_its_names_is_read(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await client.post("/api/generate", content=b'{"prompt": "a corgi"}', headers=headers)

    assert response.status_code == 200


async def test_a_callers_key_pays_for_the_request(service: Any) -> None:
    response = await service.client.post("/api/generate", json={"prompt": "x"}, headers={"X-API-Key": " own-key-123 "})

    assert response.status_code == 200
    assert service.model.requests == []
    assert [request.api_key.reveal() for request in service.keyed.requests] == ["own-key-123"]
    assert "own-key-123" not in response.text + str(response.headers)


@pytest.mark.parametrize(
    "key",
    [b"two words", b"caf\xc3\xa9", b"tab\tinside", b"x" * 513, b"\xff"],
    ids=["space", "accent", "tab", "long", "byte"],
)
async def test_a_key_of_impossible_characters_is_refused_and_not_repeated(
    refusing: Any, wrong_fields: Any, key: bytes
) -> None:
    response = await refusing.post("/api/generate", json={"prompt": "x"}, headers=[(b"X-API-Key", key)])

    assert wrong_fields(response) == [("X-API-Key", "bad_characters")]
    assert key not in response.content


@pytest.mark.parametrize(
    ("error", "status", "code", "details"),
    [
        (
            ContentBlocked(reason="SAFETY", safety_ratings=[{"category": "X", "probability": "HIGH", "blocked": True}]),
            400,
            "content_blocked",
            {"reason": "SAFETY", "safety_ratings": [{"category": "X", "probability": "HIGH", "blocked": True}]},
        ),
        (NoImage(finish_reason="STOP", text="No."), 502, "no_image", {"finish_reason": "STOP", "text": "No."}),
        (NoApiKey(), 400, "no_api_key", {}),
        (InvalidApiKey(), 401, "invalid_api_key", {}),
        (UpstreamRateLimited(reason="rate"), 429, "upstream_rate_limited", {"reason": "rate"}),
        (UpstreamFailed(upstream_status=503), 502, "upstream_error", {"upstream_status": 503}),
        (UpstreamRejected(upstream_status=400), 502, "upstream_error", {"upstream_status": 400}),
        (UpstreamTimeout(timeout_seconds=180), 504, "upstream_timeout", {"timeout_seconds": 180}),
        (ModelRetired(model="old", successor="new"), 502, "model_retired", {"model": "old", "successor": "new"}),
        (Overloaded(), 503, "overloaded", {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, GenerationError) else "",
)
async def test_every_failure_of_the_model_has_its_status(
    service: Any, is_problem: Any, error: GenerationError, status: int, code: str, details: dict[str, Any]
) -> None:
    service.model.then(error)
    problem = is_problem(await service.client.post("/api/generate", json={"prompt": "x"}), status, code)

    assert problem["error"]["details"] == details
    assert problem["instance"] == "/api/generate"
    assert (await service.client.get("/api/history")).json()["total"] == 0


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (UpstreamRateLimited(retry_after=7.2), "8"),
        (UpstreamRateLimited(retry_after=0.01), "1"),
        (UpstreamRateLimited(), None),
        (Overloaded(), "10"),
        (UpstreamFailed(), None),
    ],
)
async def test_retry_after_is_in_whole_seconds_when_it_is_known(
    service: Any, error: GenerationError, seconds: str | None
) -> None:
    service.model.then(error)
    response = await service.client.post("/api/generate", json={"prompt": "x"})

    assert response.headers.get("retry-after") == seconds


async def test_bytes_that_are_no_picture_are_a_bad_gateway(service: Any, is_problem: Any) -> None:
    service.model.then(b"<html>sorry</html>")

    is_problem(await service.client.post("/api/generate", json={"prompt": "x"}), 502, "no_image")


async def test_a_bug_is_a_500_without_its_trace(service: Any, is_problem: Any, caplog: Any) -> None:
    def fail(_: Any) -> Any:
        raise ZeroDivisionError("internal secret detail")

    service.model.then(fail)
    response = await service.client.post("/api/generate", json={"prompt": "x"})
    problem = is_problem(response, 500, "internal_error")

    assert "ZeroDivision" not in response.text
    assert "secret detail" not in response.text
    assert problem["error"]["details"] == {}
    assert "internal secret detail" in caplog.text


async def test_beyond_the_waiting_room_clients_are_told_to_come_back(open_service: Any, is_problem: Any) -> None:
    async with open_service(MAX_CONCURRENT_GENERATIONS="1", MAX_WAITING_GENERATIONS="0") as service:
        service.model.hold()
        first = asyncio.create_task(service.generated())
        await service.model.calls_begun(1)
        refused = await service.client.post("/api/generate", json={"prompt": "x"})
        service.model.release()
        await first

        is_problem(refused, 503, "overloaded")
        assert refused.headers["retry-after"] == "10"


async def test_a_client_that_hangs_up_still_finds_its_picture(service: Any) -> None:
    service.model.hold()
    request = asyncio.create_task(service.generated("a corgi in a teacup"))
    await service.model.calls_begun(1)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    service.model.release()
    await (await service.paid_calls).finish(60)

    items = (await service.client.get("/api/history")).json()["items"]
    assert [item["prompt"] for item in items] == ["a corgi in a teacup"]


async def test_an_estimate_adds_up(refusing: Any) -> None:
    response = await refusing.post("/api/generate/estimate", json={"mode": "basic", "resolution": "1K", "count": 3})

    assert response.status_code == 200
    assert response.json() == {
        "mode": "basic",
        "resolution": "1K",
        "count": 3,
        "estimated_cost_usd": pytest.approx(3 * (1120 * 120 + (652 + 748) * 12 + 32 * 2) / 1_000_000),
        "estimated_tokens": 3 * (32 + 652 + 1120 + 748),
        "quota_cost": 3,
    }


async def test_an_estimate_has_defaults(refusing: Any) -> None:
    body = (await refusing.post("/api/generate/estimate", json={})).json()

    assert (body["mode"], body["resolution"], body["count"]) == ("basic", "1K", 1)


@pytest.mark.parametrize(
    ("mode", "resolution", "points"),
    [
        ("basic", "1K", 1),
        ("basic", "2K", 1),
        ("basic", "4K", 3),
        ("batch", "4K", 3),
        ("chat", "1K", 1),
        ("search", "1K", 2),
        ("blend", "1K", 2),
        ("style", "4K", 2),
    ],
)
async def test_an_estimate_knows_the_points_of_every_mode(
    refusing: Any, mode: str, resolution: str, points: int
) -> None:
    response = await refusing.post("/api/generate/estimate", json={"mode": mode, "resolution": resolution})

    assert response.json()["quota_cost"] == points


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"mode": "upload"}, [("mode", "unknown_choice")]),
        ({"mode": "", "resolution": "8K"}, [("mode", "unknown_choice"), ("resolution", "unknown_choice")]),
        ({"count": 0}, [("count", "too_small")]),
        ({"count": 101}, [("count", "too_large")]),
        ({"count": "1"}, [("count", "wrong_type")]),
        ({"count": 1.5}, [("count", "wrong_type")]),
        ({"count": 10**30}, [("count", "too_large")]),
        ({"count": True}, [("count", "wrong_type")]),
    ],
    ids=str,
)
async def test_an_estimate_of_nonsense_is_refused(
    refusing: Any, wrong_fields: Any, body: Any, fields: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await refusing.post("/api/generate/estimate", json=body)) == fields
