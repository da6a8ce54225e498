"""Processes die, stores go away, names come twice: no picture is bought twice unasked, and every task moves on."""

import asyncio
import contextlib
from typing import Any

import pytest
from tests.core.tasking import A_MOMENT, LEASE, TRIAL, Far, Tasks, another_process, points

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import BEGUN, DONE
from nano_banana_lab.core.tasks.keys import OPEN, RUNNING, ItemName
from nano_banana_lab.core.tasks.ports import QueueUnavailable
from nano_banana_lab.core.tasks.task import ItemStatus, Task, TaskStatus
from nano_banana_lab.core.tasks.task_moves import HANDED_OVER_SECONDS
from nano_banana_lab.testing.scripted_image_model import striped_png


@pytest.fixture
def tasks(open_lab: Any) -> Tasks:
    return Tasks(lab=open_lab(policy=TRIAL))


def ticket(task: Task, index: int = 0) -> str:
    return ItemName(task.owner, task.id, index).ticket(1)


async def goes_on(tasks: Tasks, task: Task) -> Any:
    """What becomes of the task where a living process looks after it."""
    for _ in range(3):
        tasks.lab.clock.advance(LEASE + 1)
        await tasks.round()
    async with tasks.working():
        while (progress := await tasks.progress(task)).finished < task.total:
            tasks.lab.clock.advance(LEASE + 1)
            await tasks.round()
            await asyncio.sleep(0)
    await tasks.round()
    return progress


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
async def test_wherever_the_process_dies_the_item_ends_and_is_paid_for_once(
    tasks: Tasks, unreliable: Any, mishap: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    task = await tasks.batch("a")
    death = mishap(process_died(), "commit", "put", at=at, applied=applied)
    dying = another_process(tasks)
    for store in ("key_values", "blobs"):
        for user in (dying.lab.keep, dying.book, dying.lab.ledger):
            if hasattr(user, store):
                object.__setattr__(user, store, unreliable(getattr(tasks.lab, store), death))
    with contextlib.suppress(process_died):
        await dying.run_item(ticket(task))
    asked = len(tasks.lab.model.requests)
    survivor = another_process(tasks)
    progress = await goes_on(survivor, task)

    [item] = progress.items
    bought = len(tasks.lab.model.requests)
    assert item.status in (ItemStatus.COMPLETED, ItemStatus.INTERRUPTED)
    # Whoever takes over asks the model only where the item was not begun, whether or not it was asked then.
    assert bought == (asked if item.status is ItemStatus.INTERRUPTED else max(asked, 1))
    assert await points(survivor) == (int(item.status is ItemStatus.COMPLETED), 0)
    assert [await tasks.lab.key_values.count(index) for index in (RUNNING, OPEN)] == [0, 0]
    if item.status is ItemStatus.INTERRUPTED:
        await survivor.again(task)
        assert (await survivor.worked_off(task)).status is TaskStatus.COMPLETED
        assert (len(tasks.lab.model.requests), await points(survivor)) == (bought + 1, (1, 0))


async def test_what_was_under_way_is_interrupted_and_refunded_and_the_rest_goes_on(tasks: Tasks) -> None:
    task = await tasks.batch(*"abcde")
    tasks.lab.model.hold()
    async with tasks.working(concurrency=3):
        await tasks.lab.model.calls_begun(3)
        survivor = another_process(tasks)
        tasks.lab.clock.advance(LEASE + 1)  # without a sign of life
        await survivor.round()
        now = await survivor.statuses(task)
        refunded = await points(survivor)
        tasks.lab.model.release()
        done = await survivor.worked_off(task)

    assert (now, refunded) == (["interrupted"] * 3 + ["queued"] * 2, (2, 2))
    assert [item.status.value for item in done.items] == ["interrupted"] * 3 + ["completed"] * 2
    assert (len(tasks.lab.model.requests), await points(survivor)) == (5, (2, 0))


async def test_who_gives_signs_of_life_is_left_alone(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        for _ in range(10):
            tasks.lab.clock.advance(LEASE - 5)
            await tasks.round()
            await another_process(tasks).round()
        tasks.lab.model.release()
        done = await tasks.done(task)

    assert (done.status, await points(tasks)) == (TaskStatus.COMPLETED, (1, 0))


async def test_a_name_that_comes_again_buys_nothing(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    runs = [asyncio.create_task(each.run_item(ticket(task))) for each in (tasks, another_process(tasks), tasks)]
    await tasks.lab.model.calls_begun(1)
    tasks.lab.model.release()
    await asyncio.gather(*runs)
    await tasks.run_item(ticket(task))

    assert (len(tasks.lab.model.requests), await tasks.statuses(task)) == (1, ["completed"])


async def test_a_queue_that_forgot_is_told_again(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    survivor = another_process(tasks)
    tasks.lab.clock.advance(HANDED_OVER_SECONDS + A_MOMENT)
    await survivor.round()

    assert (await survivor.worked_off(task)).status is TaskStatus.COMPLETED


async def test_while_the_queue_is_away_a_task_is_taken_on_all_the_same(tasks: Tasks, monkeypatch: Any) -> None:
    async def away(_: Any) -> None:
        raise QueueUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(tasks.queue, "submit", away)
        task = await tasks.batch("a")
    tasks.lab.clock.advance(HANDED_OVER_SECONDS + A_MOMENT)
    await tasks.round()

    assert (await tasks.worked_off(task)).status is TaskStatus.COMPLETED


async def test_while_nobody_can_be_told_the_pictures_are_made_and_the_end_is_told_later(
    tasks: Tasks, monkeypatch: Any
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise QueueUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(tasks.bus, "publish", away)
        task = await tasks.batch("a", "b")
        await tasks.run_item(ticket(task, 0))
        await tasks.run_item(ticket(task, 1))
    assert await tasks.statuses(task) == ["completed"] * 2
    tasks.lab.clock.advance(LEASE + 1)
    await tasks.round()

    assert [event.name for event in await tasks.events(task)] == [BEGUN, "item", "item", DONE]


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "answer lost"])
async def test_a_store_that_is_away_when_a_task_is_submitted(
    open_lab: Any, unreliable: Any, mishap: Any, *, applied: bool
) -> None:
    tasks = Tasks(lab=open_lab(policy=TRIAL))
    broken = unreliable(tasks.lab.key_values, mishap(StoreUnavailable("x"), "commit", times=1, applied=applied))
    tasks.lab.ledger.__dict__["key_values"] = broken
    if applied:
        assert (await tasks.worked_off(await tasks.batch("a"))).status is TaskStatus.COMPLETED
    else:
        with pytest.raises(StoreUnavailable):
            await tasks.batch("a")
        assert await points(tasks) == (0, 0)


async def test_a_process_that_is_stopped_begins_nothing_and_finishes_what_has_begun(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    tasks.lab.model.hold()
    async with tasks.working(concurrency=1):
        await tasks.lab.model.calls_begun(1)
        tasks.lab.paid_calls.close()
        tasks.lab.model.release()
        await tasks.lab.paid_calls.finish(5)
    after = await tasks.statuses(task)
    survivor = another_process(tasks)
    tasks.lab.clock.advance(LEASE)
    await survivor.round()

    assert after == ["completed", "queued"]
    assert (await survivor.worked_off(task)).status is TaskStatus.COMPLETED


async def test_what_is_cut_off_at_the_end_of_the_grace_is_interrupted_at_once(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.paid_calls.close()
        cut_off = await tasks.lab.paid_calls.finish(0)

    assert (cut_off, await tasks.statuses(task), await points(tasks)) == (1, ["interrupted"], (0, 0))


async def test_what_is_cut_off_before_the_model_was_asked_waits_for_another_process(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(policy=TRIAL, admission=Admission(concurrent=1, waiting=0)))
    task = await tasks.batch("a", "b")
    tasks.lab.model.hold()
    async with tasks.working(concurrency=2):
        while await tasks.statuses(task) != ["processing"] * 2:  # noqa: ASYNC110 - who waits for a place tells nobody
            await asyncio.sleep(0)
        tasks.lab.paid_calls.close()
        await tasks.lab.paid_calls.finish(0)
    after = sorted(await tasks.statuses(task))
    tasks.lab.model.release()
    survivor = another_process(tasks)
    tasks.lab.clock.advance(A_MOMENT)
    await survivor.round()
    done = await survivor.worked_off(task)

    assert after == ["interrupted", "queued"]
    assert sorted(item.status.value for item in done.items) == ["completed", "interrupted"]
    assert (len(tasks.lab.model.requests), await points(survivor)) == (2, (1, 0))


async def test_what_is_cut_off_while_it_is_begun_waits_for_another_process(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    store, applied = tasks.lab.key_values, asyncio.Event()

    class Hanging(Far):
        async def commit(self, *operations: Any) -> Any:
            await store.commit(*operations)
            if not applied.is_set():
                applied.set()
                await asyncio.get_running_loop().create_future()

    tasks.book.__dict__["key_values"] = Hanging(store)
    run = asyncio.create_task(tasks.run_item(mine))
    await applied.wait()
    tasks.lab.paid_calls.close()
    await tasks.lab.paid_calls.finish(0)
    await run

    assert (await tasks.statuses(task), tasks.lab.model.requests) == (["queued"], [])


async def test_right_after_an_outage_nobody_is_taken_for_dead(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.clock.advance(LEASE + 1)  # for so long the store was away from everybody
        await another_process(tasks).keep_moving()
        spared = await tasks.statuses(task)
        tasks.lab.model.release()
        await tasks.done(task)

    assert spared == ["processing"]


async def test_a_picture_that_comes_after_its_item_was_given_up_is_a_gift(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.clock.advance(LEASE + 1)
        await another_process(tasks).round()
        tasks.lab.model.release()
    await tasks.lab.paid_calls.finish(5)

    assert (await tasks.statuses(task), await points(tasks)) == (["interrupted"], (0, 0))
    assert (await tasks.lab.history()).total == 1


def one_at_a_time(tasks: Tasks, calls: int) -> list[asyncio.Event]:
    """So many calls of the model end when their events are set."""
    may_end = [asyncio.Event() for _ in range(calls)]

    def call(end: asyncio.Event) -> Any:
        async def answer(_: Any) -> bytes:
            await end.wait()
            return striped_png(8, 8)

        return answer

    tasks.lab.model.then(*map(call, may_end))
    return may_end


async def test_the_end_of_a_run_that_was_given_up_takes_no_sign_of_life_from_the_next_one(tasks: Tasks) -> None:
    first, second = one_at_a_time(tasks, 2)
    task = await tasks.batch("a")
    other = another_process(tasks)
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.clock.advance(LEASE + 1)
        await other.round()
        await tasks.again(task)
        await tasks.lab.model.calls_begun(2)
        first.set()
        while len(tasks.run_item.running) > 1:  # noqa: ASYNC110 - who is given up tells nobody
            await asyncio.sleep(0)
        for _ in range(3):
            tasks.lab.clock.advance(LEASE - 5)
            await tasks.keep_moving.give_signs_of_life()
            await other.round()
        second.set()
        done = await tasks.done(task)

    assert (done.status, await points(tasks)) == (TaskStatus.COMPLETED, (1, 0))


async def test_a_run_that_was_given_up_keeps_no_attempt_alive_that_died_elsewhere(tasks: Tasks) -> None:
    [end] = one_at_a_time(tasks, 1)
    task = await tasks.batch("a")
    dying = another_process(tasks)
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.clock.advance(LEASE + 1)
        await dying.round()
        await dying.again(task)
        await dying.begin(task.item_name(0))  # and is never heard of again
        tasks.lab.clock.advance(LEASE + 1)
        await tasks.keep_moving.give_signs_of_life()
        await another_process(tasks).round()
        now = await tasks.statuses(task)
        end.set()

    assert (now, await points(tasks)) == (["interrupted"], (0, 0))


async def test_what_was_begun_and_not_asked_waits_again_however_long_the_store_is_away(
    tasks: Tasks, unreliable: Any, mishap: Any, monkeypatch: Any
) -> None:
    task = await tasks.batch("a")
    answers = iter(["well", "down"])

    async def require() -> None:
        if next(answers, "well") == "down":
            raise StoreUnavailable("blob store")

    monkeypatch.setattr(tasks.lab.make_picture.stores, "require", require)
    away = mishap(StoreUnavailable("key value store"), "commit", at=2, times=20)
    tasks.book.__dict__["key_values"] = unreliable(tasks.lab.key_values, away)
    await tasks.run_item(ticket(task))

    assert (await tasks.statuses(task), tasks.run_item.running, tasks.lab.model.requests) == (["queued"], {}, [])


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "answer lost"])
async def test_what_may_have_been_begun_is_made_once_the_store_is_back(
    tasks: Tasks, unreliable: Any, mishap: Any, *, applied: bool
) -> None:
    task = await tasks.batch("a")
    away = mishap(StoreUnavailable("key value store"), "commit", times=20, applied=applied)
    tasks.book.__dict__["key_values"] = unreliable(tasks.lab.key_values, away)
    await tasks.run_item(ticket(task))

    assert (await tasks.statuses(task), len(tasks.lab.model.requests)) == (["completed"], 1)


class Late(Far):
    """A store that hangs at the first commit, and carries it out when nobody waits for it any more."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.late: Any = None

    async def commit(self, *operations: Any) -> Any:
        if self.late is None:
            self.late = operations
            raise StoreUnavailable("key value store")
        return await self._store.commit(*operations)


async def test_what_was_to_be_begun_is_not_when_the_store_goes_on_after_all(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    store = Late(tasks.lab.key_values)
    tasks.book.__dict__["key_values"] = store
    await tasks.run_item(ticket(task))
    begun_anew = await tasks.progress(task)
    with pytest.raises(CommitRefused):
        await tasks.lab.key_values.commit(*store.late)

    assert (await tasks.progress(task), await tasks.statuses(task)) == (begun_anew, ["completed"])


async def test_what_was_put_back_is_not_begun_by_an_earlier_try_that_comes_late(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    before = (await tasks.book.items(task))[0][1]
    begun = await tasks.begin(task.item_name(0))
    assert begun is not None
    await tasks.begin.put_back(begun)
    late = tasks.book.moves.beginning(begun.name, begun.item, before, turn=0)
    with pytest.raises(CommitRefused):
        await tasks.lab.key_values.commit(*late)

    assert await tasks.statuses(task) == ["queued"]


async def test_while_it_is_found_out_what_was_begun_others_may_choose(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    store, locked = tasks.lab.key_values, list[bool]()

    class Away(Far):
        async def commit(self, *operations: Any) -> Any:
            if len(locked) < 5:
                locked.append(tasks.begin._choosing.locked())
                raise StoreUnavailable("key value store")
            return await store.commit(*operations)

    tasks.book.__dict__["key_values"] = Away(store)
    await tasks.run_item(ticket(task))

    assert (locked, await tasks.statuses(task)) == ([True, *[False] * 4], ["completed"])
