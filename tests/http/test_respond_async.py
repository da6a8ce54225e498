"""`Prefer: respond-async`: a single picture that nobody waits for."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.tasking import finished

from nano_banana_lab.http.deliver import prefers_async
from nano_banana_lab.testing.scripted_image_model import striped_png

ASYNC = {"Prefer": "respond-async"}


def png(note: str) -> dict[str, str]:
    return {"data": base64.b64encode(striped_png(8, 8, note=note)).decode()}


ROUTES = {
    "/api/generate": ("basic", {"prompt": "a corgi"}, "basic_1k", 1),
    "/api/generate/search": ("search", {"prompt": "the weather", "search_context": "Lisbon"}, "search", 2),
    "/api/generate/blend": ("blend", {"images": [png("one"), png("two")], "blend_prompt": "both"}, "blend", 2),
    "/api/generate/style": ("style", {"content_image": png("one"), "style_prompt": "woodcut"}, "blend", 2),
}


@pytest.fixture
async def trial(open_service: Any) -> Any:
    async with open_service(TRIAL_ENABLED="true", TRIAL_COOLDOWN_SECONDS="0") as service:
        yield service


@pytest.mark.parametrize("path", ROUTES)
async def test_the_picture_is_made_later_in_the_mode_of_its_route(trial: Any, path: str) -> None:
    mode, body, price, cost = ROUTES[path]
    response = await trial.client.post(path, json=body, headers=ASYNC)
    submitted = response.json()
    done = await finished(trial.client, submitted["task_id"])
    quota = (await trial.client.get("/api/quota")).json()

    assert (response.status_code, submitted["total"], submitted["status"]) == (202, 1, "queued")
    assert response.headers["location"] == f"/api/generate/task/{submitted['task_id']}"
    assert response.headers["preference-applied"] == "respond-async"
    assert (done["mode"], done["status"], len(done["results"])) == (mode, "completed", 1)
    assert (quota["global_used"], quota["modes"][price]["used"]) == (cost, 1)
    history = (await trial.client.get("/api/history", params={"mode": mode})).json()
    assert [item["id"] for item in history["items"]] == [done["results"][0]["id"]]


async def test_what_is_asked_is_what_would_have_been_asked_at_once(service: Any) -> None:
    for path, (_, body, _, _) in ROUTES.items():
        now = await service.client.post(path, json=body)
        later = await service.client.post(path, json=body, headers=ASYNC)
        done = await finished(service.client, later.json()["task_id"])

        assert service.model.requests[-2] == service.model.requests[-1]
        assert now.json()["prompt"] == done["items"][0]["prompt"]


@pytest.mark.parametrize(
    "prefer",
    ["respond-async, wait=10", "wait=5,RESPOND-ASYNC", "respond-async; x=1", 'handling="a,b", respond-async=""'],
)
async def test_the_preference_is_found_among_others(service: Any, prefer: str) -> None:
    response = await service.client.post("/api/generate", json={"prompt": "x"}, headers={"Prefer": prefer})

    assert response.status_code == 202


@pytest.mark.parametrize(
    "prefer",
    ["", "wait=10", "respond-asynchronously", "x=respond-async", "respond-async=false,", 'foo="a, respond-async, b"'],
)
async def test_any_other_preference_is_not_heeded(service: Any, prefer: str) -> None:
    response = await service.client.post("/api/generate", json={"prompt": "x"}, headers={"Prefer": prefer})

    assert (response.status_code, "preference-applied" in response.headers) == (200, False)


TOKENS = st.text(st.sampled_from("abZ09!#$%&'*+.^_`|~-"), min_size=1, max_size=8)
TEXTS = st.lists(st.sampled_from([*'a ,;="\\', ", respond-async, "]), max_size=6).map("".join)
QUOTED = TEXTS.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
BLANKS = st.sampled_from(["", " ", "\t "])
VALUES = st.just("") | st.tuples(BLANKS, st.just("="), BLANKS, st.just("") | TOKENS | QUOTED).map("".join)
NAMES = TOKENS | st.sampled_from(["respond-async", "Respond-Async"])
PARAMETERS = st.lists(st.tuples(BLANKS, st.just(";"), BLANKS, st.just("") | NAMES, VALUES).map("".join), max_size=2)
PREFERENCES = st.tuples(NAMES, VALUES, PARAMETERS.map("".join))


@given(st.lists(st.lists(st.tuples(BLANKS, PREFERENCES, BLANKS), max_size=3), max_size=3))
def test_of_any_preferences_the_first_of_that_name_counts(lines: Any) -> None:
    header = [",".join(before + "".join(told) + after for before, told, after in line) for line in lines]
    values = [told[1].strip(" \t=") for line in lines for _, told, _ in line if told[0].lower() == "respond-async"]

    assert prefers_async(header) is (values[:1] in ([""], ['""']))


@given(TEXTS)
def test_a_string_that_is_never_closed_hides_what_follows(text: str) -> None:
    opened = 'foo="' + text.replace("\\", "").replace('"', "")

    assert prefers_async([f"{opened}, respond-async", f"{opened}\\"]) is False
    assert prefers_async([f'{opened}", respond-async']) is True


async def test_bad_input_is_refused_at_once(service: Any, wrong_fields: Any, is_problem: Any) -> None:
    assert wrong_fields(await service.client.post("/api/generate", json={"prompt": ""}, headers=ASYNC)) == [
        ("prompt", "blank")
    ]
    body = {"images": [png("one"), {"data": base64.b64encode(b"no picture").decode()}]}
    problem = is_problem(
        await service.client.post("/api/generate/blend", json=body, headers=ASYNC), 422, "invalid_image"
    )
    body = {"image_keys": ["users/bob/x.png"], "images": [png("one")]}
    is_problem(await service.client.post("/api/generate/blend", json=body, headers=ASYNC), 404, "image_not_found")

    assert problem["error"]["details"]["field"] == "images.1"
    assert (await service.client.get("/api/generate/task")).json()["total"] == 0


async def test_now_and_later_are_not_the_same_request(service: Any, wrong_fields: Any) -> None:
    sent = {"json": {"prompt": "x"}}
    await service.client.post("/api/generate", **sent, headers=ASYNC | {"Idempotency-Key": "k"})
    again = await service.client.post("/api/generate", **sent, headers=ASYNC | {"Idempotency-Key": "k"})
    now = await service.client.post("/api/generate", **sent, headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.headers["idempotency-replayed"], again.headers["location"] != "") == (
        202,
        "true",
        True,
    )
    assert [field for field, _ in wrong_fields(now)] == ["Idempotency-Key"]
