"""`GET /api/generate/task/{id}/events`."""

from typing import Any

import pytest
from tests.http.tasking import TASKS, events, finished, submitted, task

from nano_banana_lab.core.generation.ports import UpstreamFailed


async def test_a_task_is_told_from_its_beginning_to_its_end(service: Any) -> None:
    task_id = await submitted(service.client, "a", "b")
    told = await events(service.client, task_id)

    first, *_, (_, last, done) = told
    assert (first[1], first[2]) == (
        "progress",
        {"task_id": task_id, "status": "queued", "progress": 0, "total": 2, "current_prompt": None},
    )
    assert (last, done) == ("done", await task(service.client, task_id))
    items = [data for _, name, data in told if name == "item"]
    assert sorted((item["index"], item["status"]) for item in items) == [
        (0, "completed"), (0, "processing"), (1, "completed"), (1, "processing"),
    ]  # fmt: skip
    assert [item["image"] for item in items if item["status"] == "completed"] != [None, None]


async def test_progress_only_ever_grows(service: Any) -> None:
    told = await events(service.client, await submitted(service.client, *"abcdef"))
    counted = [data["progress"] for _, name, data in told if name == "progress"]

    assert counted == sorted(counted)
    assert {0, 1, 2, 3, 4, 5, 6} == set(counted)


async def test_every_event_has_an_id_of_its_own_and_each_is_the_same_for_everybody(service: Any) -> None:
    task_id = await submitted(service.client, "a", "b")
    first, again = await events(service.client, task_id), await events(service.client, task_id)

    assert first == again
    assert len({event_id for event_id, _, _ in first}) == len(first)


async def test_behind_any_event_the_rest_follows(service: Any) -> None:
    task_id = await submitted(service.client, "a", "b")
    whole = await events(service.client, task_id)

    for at, (event_id, _, _) in enumerate(whole):
        assert await events(service.client, task_id, **{"Last-Event-ID": event_id}) == whole[at + 1 :]


@pytest.mark.parametrize(
    "sent", ["x", "1", "1-1", "1-1.x", "-1-1.0", "1-1.11", "1-2-3.0", "9" * 30 + "-0.0", "1-1.0\t\u00e4"]
)
async def test_an_id_that_was_never_issued_is_refused(service: Any, wrong_fields: Any, sent: str) -> None:
    task_id = await submitted(service.client)
    response = await service.client.get(f"{TASKS}/{task_id}/events", headers={"Last-Event-ID": sent.encode("latin-1")})

    assert wrong_fields(response) == [("Last-Event-ID", "bad_cursor")]


async def test_a_task_tried_again_is_told_to_its_last_end(service: Any) -> None:
    service.model.then(UpstreamFailed())
    task_id = await submitted(service.client, "a")
    first = await events(service.client, task_id)
    await service.client.post(f"{TASKS}/{task_id}/retry")
    second = await events(service.client, task_id, **{"Last-Event-ID": first[-1][0]})
    whole = await events(service.client, task_id)

    assert [name for _, name, _ in whole].count("done") == 1
    assert [data["status"] for _, name, data in second if name == "item"] == ["queued", "processing", "completed"]
    assert (first[-1][2]["status"], second[-1][2]["status"]) == ("failed", "completed")


async def test_what_the_bus_has_forgotten_is_told_from_what_is_kept(open_service: Any) -> None:
    async with open_service() as service:
        task_id = await submitted(service.client, "a")
        await finished(service.client, task_id)
        service.bus._channels.clear()
        [(_, name, done)] = await events(service.client, task_id)

    assert (name, done["status"]) == ("done", "completed")


async def test_an_answer_is_never_cached_nor_held_back_by_a_proxy(service: Any) -> None:
    task_id = await submitted(service.client, "a")
    headers = (await service.client.get(f"{TASKS}/{task_id}/events")).headers

    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
