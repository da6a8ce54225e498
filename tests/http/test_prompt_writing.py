"""Prompts that a text model writes."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    InvalidApiKey,
    ModelRetired,
    NoApiKey,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from nano_banana_lab.core.prompts.ports import UnusableAnswer
from nano_banana_lab.core.shared.ids import is_id
from nano_banana_lab.testing.scripted_prompt_writer import ScriptedPromptWriter

GENERATE, ENHANCE, VARIATIONS = (f"/api/prompts/{name}" for name in ("generate", "enhance", "variations"))
CALLS = [(GENERATE, {"category": "food"}), (ENHANCE, {"prompt": "a cat"}), (VARIATIONS, {"prompt": "a cat"})]


async def kept(client: Any, **query: Any) -> list[dict[str, Any]]:
    page = (await client.get("/api/prompts", params={"limit": 200} | query)).raise_for_status().json()
    return [prompt for prompt in page["prompts"] if is_id(prompt["id"])]


async def test_ten_prompts_are_written_distinct_and_kept(service: Any) -> None:
    response = await service.client.post(GENERATE, json={"category": "food", "style": " linocut "})
    body = response.json()

    assert (response.status_code, body["count"], body["category"], body["saved"]) == (200, 10, "food", True)
    assert len({prompt["text"] for prompt in body["prompts"]}) == 10
    assert {(prompt["style"], prompt["category"], prompt["language"]) for prompt in body["prompts"]} == {
        ("linocut", "food", "en")
    }
    assert await kept(service.client, category="food") == body["prompts"]


async def test_in_chinese(service: Any) -> None:
    body = (await service.client.post(GENERATE, json={"category": "food", "count": 3, "language": "zh"})).json()

    assert [prompt["language"] for prompt in body["prompts"]] == ["zh"] * 3
    assert (await kept(service.client), len(await kept(service.client, language="zh"))) == ([], 3)


async def test_enhance_and_vary(service: Any) -> None:
    enhanced = (await service.client.post(ENHANCE, json={"prompt": " a cat "})).json()
    varied = (await service.client.post(VARIATIONS, json={"prompt": "一只猫", "kind": "mood"})).json()

    assert enhanced["original"] == "a cat" != enhanced["prompt"]
    assert len(set(varied["prompts"])) == 5
    assert [(each.act, each.language, each.kind) for each in service.writer.requests] == [
        ("enhance", None, None),
        ("vary", "zh", "mood"),
    ]
    assert await kept(service.client) == []


async def test_the_language_of_a_prompt_is_its_own_unless_another_is_asked_for(service: Any) -> None:
    for asked in ({}, {"language": "en"}, {"language": "zh"}):
        await service.client.post(ENHANCE, json={"prompt": "桜の木の下の猫"} | asked)
    await service.client.post(VARIATIONS, json={"prompt": "고양이 한 마리"})

    assert [each.language for each in service.writer.requests] == [None, "en", "zh", None]


@pytest.mark.parametrize("texts", [[], ["one"], ["same"] * 10, [" "] * 10, ["x" * 2001] * 10])
async def test_what_is_no_use_is_502_and_nothing_is_kept(service: Any, is_problem: Any, texts: list[str]) -> None:
    service.writer.then(texts)
    response = await service.client.post(GENERATE, json={"category": "food"})

    is_problem(response, 502, "upstream_error")
    assert response.json()["detail"].startswith("The model did not write what was asked for")
    assert await kept(service.client) == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ContentBlocked(reason="SAFETY"), 400, "content_blocked"),
        (UpstreamTimeout(timeout_seconds=60), 504, "upstream_timeout"),
    ],
)
@pytest.mark.parametrize(("path", "body"), CALLS)
async def test_failures_are_told(
    service: Any, is_problem: Any, path: str, body: Any, error: Any, status: int, code: str
) -> None:
    service.writer.then(error)
    is_problem(await service.client.post(path, json=body), status, code)


@pytest.mark.parametrize(("path", "body"), CALLS)
async def test_without_a_key_nobody_writes_and_with_ones_own_it_pays(
    open_service: Any, is_problem: Any, path: str, body: Any
) -> None:
    async with open_service(writer=ScriptedPromptWriter(api_key=None)) as service:
        is_problem(await service.client.post(path, json=body), 400, "no_api_key")
        own = await service.client.post(path, json=body, headers={"X-API-Key": "my-own"})

    assert (own.status_code, [each.payer.reveal() for each in service.writer.requests]) == (200, ["my-own"])


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        (GENERATE, {}, ("category", "missing")),
        (GENERATE, {"category": "cats"}, ("category", "unknown_choice")),
        (GENERATE, {"category": "food", "count": 31}, ("count", "too_large")),
        (GENERATE, {"category": "food", "count": 0}, ("count", "too_small")),
        (GENERATE, {"category": "food", "language": "tlh"}, ("language", "unknown_choice")),
        (GENERATE, {"category": "food", "style": "x" * 201}, ("style", "too_long")),
        (ENHANCE, {"prompt": " "}, ("prompt", "blank")),
        (ENHANCE, {"prompt": "a cat", "language": "tlh"}, ("language", "unknown_choice")),
        (ENHANCE, {"prompt": "a cat", "language": ""}, ("language", "unknown_choice")),
        (VARIATIONS, {"prompt": "x" * 2001}, ("prompt", "too_long")),
        (VARIATIONS, {"prompt": "a cat", "count": 11}, ("count", "too_large")),
        (VARIATIONS, {"prompt": "a cat", "kind": "size"}, ("kind", "unknown_choice")),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_bad_input_is_named_and_nobody_is_asked(
    service: Any, wrong_fields: Any, path: str, body: Any, wrong: tuple[str, str]
) -> None:
    assert wrong_fields(await service.client.post(path, json=body)) == [wrong]
    assert service.writer.requests == []


async def test_without_room_nothing_is_kept_and_nobody_is_asked(
    service: Any, is_problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.core.prompts.own_prompts.MOST_PROMPTS", 3)
    wrote = await service.client.post(GENERATE, json={"category": "food", "count": 3})
    answers = [
        await service.client.post(GENERATE, json={"category": "food", "count": 1}),
        await service.client.post("/api/prompts", json={"text": "a cat"}),
    ]

    assert (wrote.status_code, len(service.writer.requests), len(await kept(service.client))) == (200, 1, 3)
    for answer in answers:
        is_problem(answer, 429, "rate_limit_exceeded")
        assert answer.json()["detail"] == "At most 3 prompts are kept for you; please delete some of them first."


async def test_a_repeat_with_its_key_writes_once(service: Any) -> None:
    sent = {"json": {"category": "food"}, "headers": {"Idempotency-Key": "once"}}
    first, again = [await service.client.post(GENERATE, **sent) for _ in range(2)]

    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")
    assert (len(service.writer.requests), len(await kept(service.client))) == (1, 10)


CHARGED = [ContentBlocked(reason="SAFETY"), UnusableAnswer(), UpstreamTimeout(timeout_seconds=60), ["a cat"]]
CHARGED += [UpstreamFailed(reason="answer_lost"), UpstreamFailed()]
FREE = [NoApiKey(), InvalidApiKey(), UpstreamRateLimited(), UpstreamRejected(upstream_status=400)]
FREE += [ModelRetired(model="m"), UpstreamFailed(upstream_status=503), UpstreamFailed(reason="unreachable")]


@pytest.mark.parametrize("failure", CHARGED, ids=repr)
async def test_a_call_that_google_may_charge_counts_though_it_failed(open_service: Any, failure: Any) -> None:
    async with open_service(TRIAL_ENABLED="true") as service:
        service.writer.then(failure)
        refused = await service.client.post(ENHANCE, json={"prompt": "a cat"})
        prompts = (await service.client.get("/api/quota")).json()["prompts"]

    assert (refused.is_success, prompts) == (False, {"used": 1, "limit": 30, "remaining": 29})


@pytest.mark.parametrize("failure", FREE, ids=repr)
async def test_a_call_that_cannot_have_been_charged_does_not_count(open_service: Any, failure: Any) -> None:
    async with open_service(TRIAL_ENABLED="true") as service:
        service.writer.then(failure)
        refused = await service.client.post(ENHANCE, json={"prompt": "a cat"})
        prompts = (await service.client.get("/api/quota")).json()["prompts"]

    assert (refused.is_success, prompts["used"]) == (False, 0)


async def test_a_call_that_is_refused_before_the_model_is_asked_does_not_count(open_service: Any) -> None:
    async with open_service(
        TRIAL_ENABLED="true", MAX_CONCURRENT_GENERATIONS="1", MAX_WAITING_GENERATIONS="0"
    ) as service:
        service.writer.hold()
        asking = asyncio.create_task(service.client.post(ENHANCE, json={"prompt": "a cat"}))
        await service.writer.calls_begun(1)
        refused = await service.client.post(ENHANCE, json={"prompt": "a dog"})
        prompts = (await service.client.get("/api/quota")).json()["prompts"]
        service.writer.release()
        await asking

    assert (refused.json()["code"], prompts["used"]) == ("overloaded", 1)


async def test_all_trial_users_together_have_so_many_calls(open_service: Any, is_problem: Any) -> None:
    async with open_service(TRIAL_ENABLED="true", TRIAL_PROMPT_GLOBAL_LIMIT="1") as service:
        answers = [await service.client.post(ENHANCE, json={"prompt": "a cat"}) for _ in range(2)]
        own = await service.client.post(ENHANCE, json={"prompt": "a cat"}, headers={"X-API-Key": "my-own"})

    assert (answers[0].status_code, own.status_code) == (200, 200)
    is_problem(answers[1], 429, "quota_exceeded")
    assert answers[1].json()["detail"].startswith("Today's trial quota of all users for writing prompts is used up")


async def test_a_trial_user_has_so_many_calls_and_refused_ones_do_not_count(open_service: Any, is_problem: Any) -> None:
    async with open_service(TRIAL_ENABLED="true", TRIAL_PROMPT_LIMIT="2") as service:
        service.writer.then(InvalidApiKey())
        answers = [await service.client.post(ENHANCE, json={"prompt": "a cat"}) for _ in range(4)]
        own = await service.client.post(ENHANCE, json={"prompt": "a cat"}, headers={"X-API-Key": "my-own"})
        points = (await service.client.get("/api/quota")).json()["global_used"]

    assert [answer.status_code for answer in answers] == [401, 200, 200, 429]
    is_problem(answers[-1], 429, "quota_exceeded")
    assert (own.status_code, points) == (200, 0)


async def test_who_hangs_up_finds_the_prompts_in_the_library(service: Any) -> None:
    service.writer.hold()
    asking = asyncio.create_task(service.client.post(GENERATE, json={"category": "food", "count": 3}))
    await service.writer.calls_begun(1)
    asking.cancel()
    await asyncio.wait([asking])
    service.writer.release()
    await (await service.paid_calls).finish(5)

    assert len(await kept(service.client)) == 3
