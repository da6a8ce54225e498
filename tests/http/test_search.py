"""`POST /api/generate/search`."""

from typing import Any

import pytest
from tests.http.pictures import ALICE, BOB, TRIAL, state

from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.history.grounding import Grounding, Source
from nano_banana_lab.testing.scripted_image_model import striped_png

PATH = "/api/generate/search"
GROUNDING = {
    "queries": ["weather Lisbon"],
    "sources": [{"uri": "https://weather.test", "title": "Weather"}],
    "search_suggestions_html": "<b>weather</b>",
}
GROUNDED = GeneratedImage(
    data=striped_png(8, 8),
    mime_type="image/png",
    model="scripted",
    model_version="scripted",
    grounding=Grounding(
        queries=("weather Lisbon",),
        sources=(Source(uri="https://weather.test", title="Weather"),),
        search_suggestions_html="<b>weather</b>",
    ),
)
BAD: list[tuple[Any, Any]] = [
    ({}, ("prompt", "missing")),
    ({"prompt": " "}, ("prompt", "blank")),
    ({"prompt": "x", "search_context": "x" * 2001}, ("search_context", "too_long")),
    ({"prompt": "x", "search_context": 5}, ("search_context", "wrong_type")),
    ({"prompt": "x", "settings": {"resolution": "8K"}}, ("settings.resolution", "unknown_choice")),
    ({"prompt": "x", "settings": {"aspect_ratio": "7:3"}}, ("settings.aspect_ratio", "unsupported_choice")),
]


async def search(service: Any, **options: Any) -> Any:
    return await service.client.post(PATH, json={"prompt": "a chart"}, **options)


async def test_the_answer_says_what_was_found(service: Any) -> None:
    service.model.then(GROUNDED)
    plain = await service.generated()
    service.model.then(GROUNDED)
    body = (await search(service)).json()

    assert set(body) == {*plain, "search_sources"}
    assert (body["mode"], body["prompt"], body["image"]["id"]) == ("search", "a chart", body["id"])
    assert (body["grounding"], body["search_sources"]) == (GROUNDING, "<b>weather</b>")


async def test_a_model_that_did_not_search_has_nothing_to_show(service: Any) -> None:
    response = await search(service)

    assert (response.status_code, response.json()["grounding"], response.json()["search_sources"]) == (200, None, None)


async def test_the_model_is_told_what_to_search_for(service: Any) -> None:
    body = {"prompt": "a chart", "search_context": "weather", "settings": {"resolution": "2K"}}
    response = await service.client.post(PATH, json=body)

    [request] = service.model.requests
    assert (request.grounding, request.prompt) == (True, "a chart\n\nSearch the web for this first: weather")
    assert (response.json()["prompt"], response.json()["settings"]["resolution"]) == ("a chart", "2K")


@pytest.mark.parametrize("context", [None, "", "  "])
async def test_a_context_left_empty_is_none(service: Any, context: str | None) -> None:
    await service.client.post(PATH, json={"prompt": "a chart", "search_context": context})

    assert [request.prompt for request in service.model.requests] == ["a chart"]


async def test_what_was_found_stays_with_the_picture_in_its_owners_history(service: Any, is_problem: Any) -> None:
    service.model.then(GROUNDED)
    made = (await search(service, headers=ALICE)).json()
    detail = await service.client.get(f"/api/history/{made['id']}", headers=ALICE)

    assert (detail.json()["item"]["mode"], detail.json()["item"]["grounding"]) == ("search", GROUNDING)
    is_problem(await service.client.get(f"/api/history/{made['id']}", headers=BOB), 404, "image_not_found")
    assert (await service.client.get("/api/history?mode=search", headers=ALICE)).json()["total"] == 1


@pytest.mark.parametrize(("body", "error"), BAD, ids=lambda value: str(value)[:60])
async def test_bad_input_is_named(refusing: Any, wrong_fields: Any, body: Any, error: Any) -> None:
    assert wrong_fields(await refusing.post(PATH, json=body)) == [error]


async def test_bad_input_costs_nothing(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        before = await state(service)
        refused = [await service.client.post(PATH, json=body) for body, _ in BAD]

        assert {response.status_code for response in refused} == {422}
        assert before == await state(service)


async def test_a_search_costs_two_points(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        await search(service)
        usage = (await service.client.get("/api/quota")).json()

        assert (usage["global_used"], usage["modes"]["search"]["used"], usage["cooldown_active"]) == (2, 1, True)


async def test_a_repeat_is_answered_with_the_first_outcome(service: Any) -> None:
    first, repeat = [await search(service, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")
    assert len(service.model.requests) == 1


async def test_a_form_is_not_accepted(refusing: Any, is_problem: Any) -> None:
    response = await refusing.post(PATH, files={"image": b"x"})
    is_problem(response, 415, "unsupported_media_type")

    assert response.headers["accept"] == "application/json"
