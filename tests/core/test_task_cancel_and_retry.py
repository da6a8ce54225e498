"""What its owner can do with a task besides waiting for it."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.core.tasking import ALICE, TRIAL, Meanwhile, Tasks, another_process

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import PoolExhausted
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.announce import DONE, ITEM
from nano_banana_lab.core.tasks.keys import cancelled_key
from nano_banana_lab.core.tasks.task import (
    ItemStatus,
    Progress,
    TaskFinished,
    TaskNotFound,
    TaskRunning,
    TaskStatus,
    status_of,
)


@pytest.fixture
def tasks(open_lab: Any) -> Tasks:
    return Tasks(lab=open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=0, global_points=10)))


async def points(tasks: Tasks) -> tuple[int, int]:
    """Points that are spent or set aside, and those of them that are set aside."""
    usage = await tasks.lab.usage(ALICE)
    return usage.points, usage.points_set_aside


def statuses(progress: Progress) -> list[str]:
    return [item.status.value for item in progress.items]


async def test_what_waits_is_cancelled_and_refunded_and_what_is_made_is_kept(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    tasks.lab.model.hold()
    async with tasks.working(concurrency=1):
        await tasks.lab.model.calls_begun(1)
        now = await tasks.cancel(ALICE, task.id)
        left = await points(tasks)
        tasks.lab.model.release()
        done = await tasks.done(task)

    assert (now.status, statuses(now), left) == (TaskStatus.PROCESSING, ["processing", *["cancelled"] * 2], (1, 1))
    assert (done.status, statuses(done)) == (TaskStatus.COMPLETED, ["completed", *["cancelled"] * 2])
    assert (await points(tasks), (await tasks.lab.history()).total) == ((1, 0), 1)


async def test_a_task_that_had_not_begun_is_cancelled_at_once(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    now = await tasks.cancel(ALICE, task.id)
    async with tasks.working():
        done = await tasks.done(task)

    assert (now.status, done.status) == (TaskStatus.CANCELLED, TaskStatus.CANCELLED)
    assert (tasks.lab.model.requests, await points(tasks)) == ([], (0, 0))
    assert now.completed_at is not None


async def test_a_finished_task_cannot_be_cancelled(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    await tasks.worked_off(task)
    with pytest.raises(TaskFinished):
        await tasks.cancel(ALICE, task.id)


async def test_cancelling_twice_at_once_refunds_once(tasks: Tasks) -> None:
    task = await tasks.batch(*"abcd")
    await asyncio.gather(*(tasks.cancel(ALICE, task.id) for _ in range(5)), return_exceptions=True)

    assert await points(tasks) == (0, 0)
    assert [event.name for event in await tasks.events(task)].count(DONE) == 1


async def test_nobody_else_can_cancel_or_try_again(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    with pytest.raises(TaskNotFound):
        await tasks.cancel(OwnerId("bob"), task.id)
    with pytest.raises(TaskNotFound):
        await tasks.again(
            type(task)(**{**{f: getattr(task, f) for f in task.__struct_fields__}, "owner": OwnerId("bob")})
        )

    assert await tasks.statuses(task) == ["queued"]


async def test_what_failed_is_tried_again_and_paid_for_anew(tasks: Tasks) -> None:
    tasks.lab.model.then(ContentBlocked(reason="SAFETY"), UpstreamFailed())
    task = await tasks.batch(*"abc")
    first = await tasks.worked_off(task, concurrency=1)
    again = await tasks.again(task)
    set_aside = await points(tasks)
    done = await tasks.worked_off(task)

    assert (statuses(first), first.status) == (["failed", "failed", "completed"], TaskStatus.COMPLETED)
    assert (statuses(again), again.finished) == (["queued", "queued", "completed"], 1)
    assert (set_aside, await points(tasks)) == ((3, 2), (3, 0))
    assert (statuses(done), [item.attempt for item in done.items]) == (["completed"] * 3, [2, 2, 1])
    assert len({item.picture_id for item in done.items}) == 3


async def test_it_can_be_tried_again_as_often_as_it_fails(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    for _ in range(3):
        tasks.lab.model.then(UpstreamFailed())
        await tasks.worked_off(task)
        await tasks.again(task)
    done = await tasks.worked_off(task)

    assert (statuses(done), done.items[0].attempt, await points(tasks)) == (["completed"], 4, (1, 0))
    assert [event.name for event in await tasks.events(task)].count(DONE) == 4


async def test_a_running_task_cannot_be_tried_again(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    with pytest.raises(TaskRunning):
        await tasks.again(task)


async def test_where_nothing_failed_there_is_nothing_to_try_again(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    await tasks.worked_off(task)
    with pytest.raises(TaskFinished):
        await tasks.again(task)


async def test_what_was_cancelled_stays_cancelled(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed())
    task = await tasks.batch("a", "b")
    tasks.lab.model.hold()
    async with tasks.working(concurrency=1):
        await tasks.lab.model.calls_begun(1)
        await tasks.cancel(ALICE, task.id)
        tasks.lab.model.release()
        await tasks.done(task)
    await tasks.again(task)
    done = await tasks.worked_off(task)

    assert (statuses(done), await points(tasks)) == (["completed", "cancelled"], (1, 0))


async def waiting_for_a_place(open_lab: Any) -> tuple[Tasks, Any, Any]:
    """A task of two that are begun, for which the model has not been asked: somebody else's call has the only place."""
    tasks = Tasks(lab=open_lab(policy=TRIAL, admission=Admission(concurrent=1, waiting=8)))
    tasks.lab.model.hold()
    in_the_way = asyncio.create_task(tasks.lab.generate("in the way", owner=OwnerId("bob")))
    await tasks.lab.model.calls_begun(1)
    task = await tasks.batch("a", "b")
    return tasks, task, in_the_way


async def test_what_is_cancelled_before_the_model_was_asked_is_not_made_by_another_process(open_lab: Any) -> None:
    tasks, task, in_the_way = await waiting_for_a_place(open_lab)
    async with tasks.working(concurrency=2):
        while await tasks.statuses(task) != ["processing"] * 2:  # noqa: ASYNC110 - who waits for a place tells nobody
            await asyncio.sleep(0)
        now = await tasks.cancel(ALICE, task.id)
        tasks.lab.paid_calls.close()
        tasks.lab.model.release()
        await in_the_way

    assert (statuses(now), await tasks.statuses(task)) == (["processing"] * 2, ["cancelled"] * 2)
    assert (await tasks.event_names(task))[-1] == DONE
    assert (len(tasks.lab.model.requests), await points(tasks)) == (1, (1, 0))


async def test_what_waits_although_its_task_is_cancelled_is_cancelled_when_its_turn_comes(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    await tasks.lab.key_values.commit(*tasks.book.moves.cancelling(task))  # by whoever died before the rest
    done = await tasks.worked_off(task)

    assert (statuses(done), tasks.lab.model.requests, await points(tasks)) == (["cancelled"], [], (0, 0))
    assert await tasks.lab.key_values.get(cancelled_key(ALICE, task.id)) is None


async def test_what_was_cancelled_and_is_tried_again_is_made(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed())
    tasks.lab.model.hold()
    task = await tasks.batch("a", "b")
    async with tasks.working(concurrency=1):
        await tasks.lab.model.calls_begun(1)
        await tasks.cancel(ALICE, task.id)
        tasks.lab.model.release()
        await tasks.done(task)
    await tasks.lab.key_values.commit(*tasks.book.moves.cancelling(task))  # by a second request that came too late
    await tasks.again(task)

    assert statuses(await tasks.worked_off(task)) == ["completed", "cancelled"]


async def test_what_is_tried_again_is_said_to_wait_before_it_is_begun(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed())
    task = await tasks.batch("a")
    await tasks.worked_off(task)
    await tasks.batch("b", owner=OwnerId("bob"))
    [left] = await tasks.tickets()  # which is good for anybody's item
    other = another_process(tasks, bus=tasks.bus)

    async def others_are_quicker() -> None:
        for _ in range(2):
            await other.run_item(left)

    tasks.announce.__dict__["bus"] = Meanwhile(tasks.bus, "publish", others_are_quicker)
    await tasks.again(task)
    await tasks.worked_off(task)

    told = [msgspec.json.decode(event.data)["status"] for event in await tasks.events(task) if event.name == ITEM]
    assert told == ["processing", "failed", "queued", "processing", "completed"]


async def test_trying_again_at_once_from_all_sides_pays_once(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed(), UpstreamFailed())
    task = await tasks.batch("a", "b")
    await tasks.worked_off(task)
    outcomes = await asyncio.gather(*(tasks.again(task) for _ in range(6)), return_exceptions=True)
    await tasks.worked_off(task)

    assert sorted(type(each).__name__ for each in outcomes) == ["Progress"] + ["TaskRunning"] * 5
    assert (await points(tasks), (await tasks.lab.history()).total) == ((2, 0), 2)


async def test_without_points_nothing_is_tried_again(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed())
    task = await tasks.batch("a")
    await tasks.worked_off(task)
    await tasks.batch(*map(str, range(10)))
    with pytest.raises(PoolExhausted):
        await tasks.again(task)

    assert await tasks.statuses(task) == ["failed"]


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ("queued queued", "queued"),
        ("queued completed", "processing"),
        ("cancelled processing", "processing"),
        ("completed cancelled failed", "completed"),
        ("cancelled failed interrupted", "cancelled"),
        ("failed interrupted", "failed"),
    ],
)
def test_at_its_end_a_task_is_what_the_best_of_its_items_is(items: str, status: str) -> None:
    assert status_of([ItemStatus(each) for each in items.split()]) is TaskStatus(status)
