"""`POST /api/generate/batch`."""

from typing import Any

import pytest
from tests.http.tasking import BATCH, TASKS, finished, submitted

from nano_banana_lab.core.generation.ports import ContentBlocked


async def test_a_batch_is_taken_on_at_once(client: Any) -> None:
    response = await client.post(BATCH, json={"prompts": ["a corgi", " a cat "]})
    body = response.json()

    assert (response.status_code, body["total"], body["status"], set(body)) == (
        200, 2, "queued", {"task_id", "total", "status"},
    )  # fmt: skip


async def test_every_prompt_becomes_a_picture_with_its_settings(service: Any) -> None:
    settings = {"aspect_ratio": "1:1", "resolution": "2K", "safety_level": "none"}
    done = await finished(service.client, await submitted(service.client, "a corgi", " a cat ", settings=settings))

    assert (done["status"], done["progress"], done["total"], done["errors"]) == ("completed", 2, 2, [])
    assert [item["prompt"] for item in done["items"]] == ["a corgi", "a cat"]
    assert [(image["width"], image["height"]) for image in done["results"]] == [(2048, 2048)] * 2
    assert [request.settings.safety_level for request in service.model.requests] == ["none"] * 2
    history = (await service.client.get("/api/history", params={"mode": "batch"})).json()
    assert {item["id"] for item in history["items"]} == {image["id"] for image in done["results"]}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ("prompts", "missing")),
        ({"prompts": []}, ("prompts", "too_few")),
        ({"prompts": ["x"] * 11}, ("prompts", "too_many")),
        ({"prompts": "a corgi"}, ("prompts", "wrong_type")),
        ({"prompts": ["a", 5]}, ("prompts.1", "wrong_type")),
        ({"prompts": ["a", "  "]}, ("prompts.1", "blank")),
        ({"prompts": ["x" * 2001]}, ("prompts.0", "too_long")),
        ({"prompts": ["a"], "settings": {"resolution": "8K"}}, ("settings.resolution", "unknown_choice")),
        ({"prompts": ["a"], "settings": {"aspect_ratio": "7:1"}}, ("settings.aspect_ratio", "unsupported_choice")),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_is_named_and_nothing_is_taken_on(
    service: Any, wrong_fields: Any, body: Any, wrong: tuple[str, str]
) -> None:
    response = await service.client.post(BATCH, json=body)

    assert wrong_fields(response) == [wrong]
    assert (await service.client.get(TASKS)).json()["total"] == 0


async def test_the_operator_sets_how_many_prompts_a_batch_may_have(open_service: Any, wrong_fields: Any) -> None:
    async with open_service(BATCH_MAX_PROMPTS="2") as service:
        response = await service.client.post(BATCH, json={"prompts": ["a", "b", "c"]})

    assert wrong_fields(response) == [("prompts", "too_many")]
    assert "2" in response.json()["detail"]


async def test_a_repeat_with_the_same_key_is_the_same_task(service: Any) -> None:
    sent = {"json": {"prompts": ["a"]}, "headers": {"Idempotency-Key": "once"}}
    first, again = [await service.client.post(BATCH, **sent) for _ in range(2)]
    await finished(service.client, first.json()["task_id"])

    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(service.model.requests) == 1


async def test_the_trial_sets_points_aside_for_all_and_keeps_those_of_the_pictures(open_service: Any) -> None:
    async with open_service(TRIAL_ENABLED="true", TRIAL_COOLDOWN_SECONDS="0") as service:
        service.model.then(ContentBlocked(reason="SAFETY"))
        service.model.hold()
        task = await submitted(service.client, "a", "b", "c")
        await service.model.calls_begun(3)
        held = (await service.client.get("/api/quota")).json()
        service.model.release()
        await finished(service.client, task)
        spent = (await service.client.get("/api/quota")).json()

    assert (held["global_used"], spent["global_used"]) == (3, 2)
    assert spent["modes"]["batch_1k"]["used"] == 2


async def test_more_than_the_trial_pays_for_is_refused_whole(open_service: Any, is_problem: Any) -> None:
    settings = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "0", "TRIAL_BATCH_4K_LIMIT": "2"}
    async with open_service(**settings) as service:
        body = {"prompts": ["a", "b", "c"], "settings": {"resolution": "4K"}}
        problem = is_problem(await service.client.post(BATCH, json=body), 429, "quota_exceeded")
        used = (await service.client.get("/api/quota")).json()["global_used"]

    assert (problem["error"]["details"]["mode_remaining"], used, service.model.requests) == (2, 0, [])


async def test_a_key_of_ones_own_pays_without_the_trial(open_service: Any) -> None:
    async with open_service(TRIAL_ENABLED="true", TRIAL_GLOBAL_QUOTA="0") as service:
        response = await service.client.post(BATCH, json={"prompts": ["a"]}, headers={"X-API-Key": "own"})
        done = await finished(service.client, response.json()["task_id"])

    assert (done["status"], [request.api_key.reveal() for request in service.keyed.requests]) == ("completed", ["own"])


async def test_one_owner_cannot_fill_the_store(open_service: Any, is_problem: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("nano_banana_lab.core.tasks.limits.MOST_WAITING", 2)
    async with open_service(MAX_CONCURRENT_GENERATIONS="1") as service:
        service.model.hold()
        await submitted(service.client, "a", "b", "c")
        await service.model.calls_begun(1)
        response = await service.client.post(BATCH, json={"prompts": ["d"]}, headers={"X-API-Key": "made-up"})
        spoken = {"X-API-Key": "another", "Prefer": "respond-async", "Accept-Language": "zh"}
        in_chinese = await service.client.post("/api/generate", json={"prompt": "d"}, headers=spoken)
        service.model.release()

    problem = is_problem(response, 429, "rate_limit_exceeded")
    assert (response.headers["retry-after"], problem["error"]["details"]) == ("60", {"most": 2})
    assert "cancel a task" in problem["detail"]
    assert "取消一个任务" in is_problem(in_chinese, 429, "rate_limit_exceeded")["detail"]
