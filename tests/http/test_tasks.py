"""`/api/generate/task`: look at tasks, cancel them, try again."""

from typing import Any

import pytest
from tests.http.tasking import BOB, NO_WORKER, TASKS, events, finished, submitted, task

from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed


async def test_a_task_under_way(service: Any) -> None:
    service.model.hold()
    task_id = await submitted(service.client, "a", "b")
    await service.model.calls_begun(2)
    now = await task(service.client, task_id)
    service.model.release()

    assert {name: now[name] for name in ("task_id", "status", "progress", "total", "current_prompt", "mode")} == {
        "task_id": task_id, "status": "processing", "progress": 0, "total": 2, "current_prompt": "a", "mode": "batch",
    }  # fmt: skip
    assert (now["results"], now["errors"], now["completed_at"]) == ([], [], None)
    assert now["started_at"] == now["created_at"] == "2026-11-22T12:00:00.000Z"
    assert now["items"] == [
        {"index": index, "prompt": prompt, "status": "processing", "image": None, "error": None}
        for index, prompt in enumerate("ab")
    ]


async def test_a_task_at_its_end(service: Any) -> None:
    service.model.then(ContentBlocked(reason="SAFETY"))
    task_id = await submitted(service.client, "a", "b")
    await finished(service.client, task_id)
    done = await task(service.client, task_id)

    sentence = "The image service's safety filter blocked this request (SAFETY); please rephrase the prompt."
    assert (done["status"], done["progress"], done["current_prompt"]) == ("completed", 2, None)
    assert (done["errors"], done["items"][0]["error"]) == ([sentence], {"code": "content_blocked", "message": sentence})
    assert done["results"] == [done["items"][1]["image"]]
    assert done["completed_at"] == "2026-11-22T12:00:00.000Z"
    image = (await service.client.get(done["results"][0]["url"])).raise_for_status()
    assert len(image.content) == done["results"][0]["size_bytes"]


async def test_a_picture_deleted_from_the_history_is_gone_from_the_task(service: Any) -> None:
    task_id = await submitted(service.client, "a")
    [image] = (await finished(service.client, task_id))["results"]
    await service.client.delete(f"/api/history/{image['id']}")
    now = await task(service.client, task_id)

    assert (now["status"], now["results"], now["items"][0]["image"]) == ("completed", [], None)


async def test_tasks_are_listed_in_pages_the_newest_first(service: Any) -> None:
    made = []
    for _ in range(3):
        service.clock.advance(1)
        made.append(await submitted(service.client, "a"))
    pages = [(await service.client.get(TASKS, params={"limit": 2, "offset": at})).json() for at in (0, 2)]

    assert [each["task_id"] for page in pages for each in page["tasks"]] == made[::-1]
    assert [(page["total"], page["limit"], page["offset"]) for page in pages] == [(3, 2, 0), (3, 2, 2)]
    assert "items" not in pages[0]["tasks"][0]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"limit": "x"}])
async def test_bad_pages_are_named(client: Any, wrong_fields: Any, query: dict[str, Any]) -> None:
    assert [field for field, _ in wrong_fields(await client.get(TASKS, params=query))] == list(query)


async def test_cancelling_stops_what_has_not_begun(open_service: Any) -> None:
    async with open_service(MAX_CONCURRENT_GENERATIONS="1") as service:
        service.model.hold()
        task_id = await submitted(service.client, "a", "b", "c")
        await service.model.calls_begun(1)
        now = (await service.client.delete(f"{TASKS}/{task_id}")).raise_for_status().json()
        service.model.release()
        done = await finished(service.client, task_id)

    assert [item["status"] for item in now["items"]] == ["processing", "cancelled", "cancelled"]
    assert (done["status"], len(done["results"]), len(service.model.requests)) == ("completed", 1, 1)


async def test_a_finished_task_cannot_be_cancelled(service: Any, is_problem: Any) -> None:
    task_id = await submitted(service.client)
    await finished(service.client, task_id)

    is_problem(await service.client.delete(f"{TASKS}/{task_id}"), 409, "task_finished")


async def test_what_failed_can_be_tried_again(service: Any, is_problem: Any) -> None:
    service.model.then(UpstreamFailed())
    service.model.hold()
    task_id = await submitted(service.client, "a", "b")
    is_problem(await service.client.post(f"{TASKS}/{task_id}/retry"), 409, "task_running")
    service.model.release()
    await finished(service.client, task_id)
    again = await service.client.post(f"{TASKS}/{task_id}/retry")
    done = await finished(service.client, task_id)

    assert (again.status_code, again.json()["items"][0]["status"]) == (200, "queued")
    assert (done["status"], done["errors"], len(done["results"])) == ("completed", [], 2)
    is_problem(await service.client.post(f"{TASKS}/{task_id}/retry"), 409, "task_finished")


async def test_a_retry_repeated_with_its_key_runs_once(service: Any) -> None:
    service.model.then(UpstreamFailed())
    task_id = await submitted(service.client, "a")
    await finished(service.client, task_id)
    first = await service.client.post(f"{TASKS}/{task_id}/retry", headers={"Idempotency-Key": "again"})
    await finished(service.client, task_id)
    repeat = await service.client.post(f"{TASKS}/{task_id}/retry", headers={"Idempotency-Key": "again"})

    assert (first.json(), "true") == (repeat.json(), repeat.headers["idempotency-replayed"])
    assert len(service.model.requests) == 2


@pytest.mark.parametrize("task_id", ["0" * 32, "x", "%2e%2e"])
async def test_what_is_not_there_is_not_found(client: Any, is_problem: Any, task_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/events"), ("GET", "/images.zip")):
        is_problem(await client.request(method, f"{TASKS}/{task_id}{path}"), 404, "task_not_found")


async def test_somebody_elses_task_is_not_there(service: Any, is_problem: Any) -> None:
    task_id = await submitted(service.client)
    await events(service.client, task_id)
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/events"), ("GET", "/images.zip")):
        response = await service.client.request(method, f"{TASKS}/{task_id}{path}", headers=BOB)
        is_problem(response, 404, "task_not_found")

    assert (await service.client.get(TASKS, headers=BOB)).json()["total"] == 0


async def test_the_queue_is_part_of_the_health(service: Any) -> None:
    component = (await service.client.get("/api/health/detailed")).json()["components"]["task_queue"]
    metrics = (await service.client.get("/metrics")).text

    assert (component["status"], component["details"]) == ("healthy", {"waiting": 0, "running": 0, "workers": 1})
    assert "nbl_task_queue_workers 1.0" in metrics


async def test_without_a_worker_tasks_wait_and_the_health_says_so(open_service: Any) -> None:
    async with open_service(**NO_WORKER) as service:
        task_id = await submitted(service.client, "a")
        component = (await service.client.get("/api/health/detailed")).json()["components"]["task_queue"]
        status = (await task(service.client, task_id))["status"]

    assert (component["status"], component["details"]["waiting"], status) == ("degraded", 1, "queued")
