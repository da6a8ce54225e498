"""`GET /api/generate/task/{id}/events`."""

import asyncio
import gc
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from tests.http.tasking import NO_WORKER, TASKS, events, finished, submitted, task

from nano_banana_lab.adapters.memory.expiry import Expiry
from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed
from nano_banana_lab.core.shared.ids import ANONYMOUS
from nano_banana_lab.core.tasks.keys import channel, open_key, task_key
from nano_banana_lab.http import task_events
from nano_banana_lab.http.task_events import AT_ONCE, TaskEvents
from nano_banana_lab.http.task_story import Place

A_DAY = 86400
BEFORE_ALL = Place()


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
    "sent", ["x", "1", "1-1", "1-1.x", "1-1.3", "-1-1.0", "1-1.11", "1-2-3.0", "9" * 30 + "-0.0", "1-1.0\t\u00e4"]
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


async def test_of_a_task_the_bus_has_forgotten_everybody_hears_the_end_once(open_service: Any) -> None:
    async with open_service() as service:
        task_id = await submitted(service.client, "a")
        told = await events(service.client, task_id)
        forget_all(service.bus)
        [(_, name, done)] = await events(service.client, task_id)
        [(last_id, *end)] = await events(service.client, task_id, **{"Last-Event-ID": told[-2][0]})
        after_the_end = [
            await events(service.client, task_id, **{"Last-Event-ID": each}) for each in (told[-1][0], last_id)
        ]

    assert (name, done, end) == ("done", told[-1][2], ["done", done])
    assert after_the_end == [[], []]


async def test_of_a_task_that_goes_on_when_the_bus_has_forgotten_it_everybody_hears_the_same(
    open_service: Any,
) -> None:
    async with open_service(MAX_CONCURRENT_GENERATIONS="1") as service:
        going_on = asyncio.Event()
        service.model.then(None, lambda _: going_on.wait())
        task_id = await submitted(service.client, "a", "b")
        await service.model.calls_begun(2)
        forget_all(service.bus)
        early = asyncio.create_task(events(service.client, task_id))
        await service.bus.read(channel(ANONYMOUS, task_id), wait=60)
        going_on.set()
        told = [await early, await events(service.client, task_id)]

    assert told[0] == told[1]
    assert told[0][0][1:] == (
        "progress",
        {"task_id": task_id, "status": "processing", "progress": 1, "total": 2, "current_prompt": "b"},
    )


async def test_an_id_of_the_future_hides_neither_what_comes_nor_the_end(service: Any) -> None:
    service.model.hold()
    task_id = await submitted(service.client, "a")
    await service.model.calls_begun(1)
    following = asyncio.create_task(events(service.client, task_id, **{"Last-Event-ID": f"{2**63 - 1}-7.1"}))
    await until_somebody_waits(service.bus)
    service.model.release()
    told = await following
    late = await events(service.client, task_id, **{"Last-Event-ID": f"{2**63 - 1}-7.1"})

    assert [(name, data.get("status")) for _, name, data in told] == [
        ("item", "completed"), ("progress", "completed"), ("done", "completed"),
    ]  # fmt: skip
    assert late == [told[-1]] == [(f"{2**63 - 1}-7.2", "done", told[-1][2])]


async def test_an_end_that_closes_a_full_page_of_events_is_not_taken_for_the_last(open_service: Any) -> None:
    prompts = [str(number) for number in range(AT_ONCE // 2 - 1)]
    async with open_service(BATCH_MAX_PROMPTS="100") as service:
        service.model.then(UpstreamFailed())
        task_id = await submitted(service.client, *prompts)
        first = await events(service.client, task_id)
        page = await service.bus.read(channel(ANONYMOUS, task_id), limit=1000)
        await service.client.post(f"{TASKS}/{task_id}/retry")
        rest = await events(service.client, task_id, **{"Last-Event-ID": first[-1][0]})
        whole = await events(service.client, task_id)

    assert (len(page), page[-1].name) == (AT_ONCE, "done")
    assert [data["status"] for _, name, data in rest if name == "item"] == ["queued", "processing", "completed"]
    assert whole == first[:-1] + rest


async def test_head_is_answered_with_the_headers_alone(service: Any) -> None:
    task_id = await submitted(service.client)
    await finished(service.client, task_id)
    answer = await service.client.head(f"{TASKS}/{task_id}/events")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (await service.client.head(f"{TASKS}/{'0' * 32}/events")).status_code == 404


async def test_head_does_not_wait_for_the_end_of_the_task(open_service: Any) -> None:
    async with open_service(**NO_WORKER) as service:
        asking = asyncio.create_task(service.client.head(f"{TASKS}/{await submitted(service.client)}/events"))
        waiting = asyncio.create_task(until_somebody_waits(service.bus))
        await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        (await service.paid_calls).close()
        answer = await asking

    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_stream_ends_at_once_when_the_process_is_stopped(open_service: Any) -> None:
    async with open_service(**NO_WORKER) as service:
        following = asyncio.create_task(events(service.client, await submitted(service.client)))
        await until_somebody_waits(service.bus)
        (await service.paid_calls).close()
        told = await following

    assert [name for _, name, _ in told] == ["progress"]


async def test_a_process_that_is_being_stopped_begins_no_stream(open_service: Any, is_problem: Any) -> None:
    async with open_service(**NO_WORKER) as service:
        task_id = await submitted(service.client)
        (await service.paid_calls).close()
        answer = await service.client.get(f"{TASKS}/{task_id}/events")

    is_problem(answer, 503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_thousand_items_are_told_and_the_end_is_the_whole_task(open_service: Any) -> None:
    async with open_service(BATCH_MAX_PROMPTS="1000") as service:
        service.model.then(ContentBlocked(reason="SAFETY"))
        task_id = await submitted(service.client, *map(str, range(1000)))
        told = await events(service.client, task_id, **{"Accept-Language": "zh"})
        whole = (await service.client.get(f"{TASKS}/{task_id}", headers={"Accept-Language": "zh"})).json()

    assert (told[-1][1:], len(whole["items"]), len(whole["errors"])) == (("done", whole), 1000, 1)
    assert [name for _, name, _ in told].count("item") == 2000
    [failed] = [data for _, name, data in told if name == "item" and data["status"] == "failed"]
    assert failed["error"]["message"] == whole["errors"][0] != ""


async def test_a_task_tried_again_while_its_end_is_sent_has_not_been_told_to_its_end(service: Any) -> None:
    service.model.then(UpstreamFailed())
    task_id = await submitted(service.client, "a")
    told = await events(service.client, task_id)
    following = aiter(await follow(service, task_id, Place.read(told[-2][0])))
    begun = [(await anext(following)).encode() for _ in range(2)]
    service.model.hold()
    await service.client.post(f"{TASKS}/{task_id}/retry")
    rest = [piece.encode() async for piece in following]
    service.model.release()

    assert begun[0] == b"event: done\r\ndata: "
    assert b"id: " not in b"".join([*begun, *rest])  # it is cut short, so clients leave it out and come back


async def test_a_task_that_expires_while_it_is_followed_ends_the_stream(
    open_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_events, "KEEP_ALIVE_SECONDS", 0.001)
    async with open_service(**NO_WORKER) as service:
        task_id = await submitted(service.client, "a")
        told = []
        async for each in await follow(service, task_id):
            told.append(each)
            service.clock.advance(A_DAY / 2)

    assert [each.event for each in told] == ["progress", None]


async def test_an_idle_stream_only_asks_whether_its_task_is_closed(
    open_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_events, "KEEP_ALIVE_SECONDS", 0.001)
    async with open_service(**NO_WORKER) as service:
        task_id = await submitted(service.client, *map(str, range(10)))
        following = await follow(service, task_id)
        await anext(following)
        watched = Watched(service.key_values)
        monkeypatch.setattr(service.key_values, "get_many", watched)
        for _ in range(3):
            assert (await anext(following)).comment is not None
        await following.aclose()

    assert watched.keys == {task_key(ANONYMOUS, task_id), open_key(ANONYMOUS, task_id)}


async def test_streams_hold_little_of_a_task_however_long_its_prompts_are(open_service: Any) -> None:
    prompts = [f"{number} {'x' * 1900}" for number in range(300)]
    async with open_service(BATCH_MAX_PROMPTS="300", **NO_WORKER) as service:
        task_id = await submitted(service.client, *prompts)
        await held_by(service, task_id, streams=1, told=1)  # what is only ever made once
        at_the_beginning = await held_by(service, task_id, streams=10, told=1)
        await service.client.delete(f"{TASKS}/{task_id}")
        place = Place.of((await service.bus.read(channel(ANONYMOUS, task_id), limit=1000))[-1].id)
        in_the_end = await held_by(service, task_id, streams=10, told=4, after=place)

    assert at_the_beginning < 30_000  # all prompts: 600,000
    assert in_the_end < 300_000


async def until_somebody_waits(bus: Any) -> None:
    """Return once a reader has seen all there is."""
    while not len(bus._listeners):  # noqa: ASYNC110 - the bus sets no event
        await asyncio.sleep(0)


def forget_all(bus: Any) -> None:
    """What the restart of a process does to a bus in its memory."""
    bus._channels.clear()
    bus._expiry = Expiry()


async def held_by(service: Any, task_id: str, *, streams: int, told: int, after: Place = BEFORE_ALL) -> float:
    """Bytes that each of some streams holds that have been read so far."""
    gc.collect()
    tracemalloc.start()
    try:
        following = [await follow(service, task_id, after) for _ in range(streams)]
        for each in following:
            for _ in range(told):
                await anext(each)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / streams
    finally:
        tracemalloc.stop()
        for each in following:
            await each.aclose()


async def follow(service: Any, task_id: str, after: Place = BEFORE_ALL) -> Any:
    """A stream that is read by hand."""
    streams = await service.app.state.dishka_container.get(TaskEvents)
    return streams.follow(await streams.book.task(ANONYMOUS, task_id), after, "en")


class Watched:
    """Notes which keys are read."""

    def __init__(self, store: Any) -> None:
        self._get_many = store.get_many
        self.keys = set[str]()

    async def __call__(self, keys: Sequence[str]) -> list[bytes | None]:
        self.keys |= set(keys)
        found: list[bytes | None] = await self._get_many(keys)
        return found


async def test_an_answer_is_never_cached_nor_held_back_by_a_proxy(service: Any) -> None:
    task_id = await submitted(service.client, "a")
    headers = (await service.client.get(f"{TASKS}/{task_id}/events")).headers

    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
