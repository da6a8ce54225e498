"""A store that hangs while a task is submitted or tried again: the client is told in time, and that is what holds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.core.tasking import A_MOMENT, ALICE, Tasks, another_process

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage import permit
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import IndexPut, Operation
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import DONE
from nano_banana_lab.core.tasks.keys import OPEN
from nano_banana_lab.core.tasks.task import Task, TaskStatus
from nano_banana_lab.core.tasks.task_moves import HANDED_OVER_SECONDS
from nano_banana_lab.testing.frozen_clock import FrozenClock

SOON = 0.01


class Hanging(MemoryKeyValueStore):
    """Never answers a commit that takes a task on, nor anything after it, until it goes on.

    It carries that commit out before it hangs, or when it goes on, if it is not to `lose` it.
    """

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.late: Callable[[], Awaitable[Any]] | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.has_hung = asyncio.Event()
        self.hangs = ""

    async def get(self, key: str) -> bytes | None:
        await self.goes_on.wait()
        return await super().get(key)

    async def commit(self, *operations: Operation) -> Any:
        await self.goes_on.wait()
        if self.hangs and any(isinstance(each, IndexPut) and each.index == OPEN for each in operations):
            self.goes_on.clear()
            self.has_hung.set()
            if self.hangs == "afterwards":
                await super().commit(*operations)
            else:
                self.late = lambda: MemoryKeyValueStore.commit(self, *operations)
            await asyncio.Event().wait()
        return await super().commit(*operations)

    async def go_on(self) -> Any:
        """What became of the commit that hung before it was carried out."""
        self.hangs = ""
        try:
            return await self.late() if self.late else None
        except Exception as error:  # noqa: BLE001 - whatever it is, there is nobody whom it could reach
            return error
        finally:
            self.goes_on.set()


@pytest.fixture
def tasks(open_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Tasks:
    monkeypatch.setattr("nano_banana_lab.core.tasks.set_waiting.ANSWER_SECONDS", SOON)
    clock = FrozenClock()
    policy = QuotaPolicy(enabled=True, cooldown_seconds=600)
    return Tasks(lab=open_lab(clock=clock, key_values=Hanging(clock), policy=policy))


async def points(tasks: Tasks) -> tuple[int, int, bool]:
    """Points that are spent or set aside, those that are set aside, and whether there is a cooldown."""
    usage = await tasks.lab.usage(ALICE)
    return usage.points, usage.points_set_aside, usage.cooldown_remaining > 0


async def told_that_it_failed(tasks: Tasks, call: Awaitable[Any], *, hangs: str) -> None:
    tasks.lab.key_values.hangs = hangs
    with pytest.raises(StoreUnavailable):
        await call


@pytest.mark.parametrize("hangs", ["before", "afterwards"])
async def test_what_failed_for_its_client_is_called_off_and_a_repeat_buys_once(tasks: Tasks, hangs: str) -> None:
    await told_that_it_failed(tasks, tasks.batch("a", "b"), hangs=hangs)
    await tasks.lab.key_values.go_on()
    await tasks.lab.paid_calls.finish(60)
    listed, _ = await tasks.book.page(ALICE, limit=10)
    async with tasks.working():
        await asyncio.gather(*(tasks.done(each.task) for each in listed))

    assert ([each.status for each in listed], await points(tasks)) == ([TaskStatus.CANCELLED], (0, 0, False))
    assert tasks.lab.model.requests == []
    await tasks.worked_off(await tasks.batch("a", "b"))
    assert (len(tasks.lab.model.requests), await points(tasks)) == (2, (2, 0, True))


async def test_what_comes_after_its_permit_is_not_taken_on_at_all(tasks: Tasks) -> None:
    await told_that_it_failed(tasks, tasks.batch("a", "b"), hangs="before")
    tasks.lab.clock.advance(permit.SECONDS)
    await tasks.lab.key_values.go_on()
    await tasks.lab.paid_calls.finish(60)

    assert (await tasks.book.page(ALICE, limit=10), await points(tasks)) == (([], 0), (0, 0, False))


async def of_unknown_fate(tasks: Tasks, call: Awaitable[Any], monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """What fails for its client although it was written down; it is called off once this event is set."""
    may_look = asyncio.Event()

    async def insist_later(write: Any) -> Any:
        await may_look.wait()
        return await insist(write)

    with monkeypatch.context() as calling_off:
        calling_off.setattr("nano_banana_lab.core.storage.insist.insist", insist_later)
        await told_that_it_failed(tasks, call, hangs="afterwards")
    await tasks.lab.key_values.go_on()
    return may_look


async def test_what_has_begun_by_then_is_finished_and_paid_for(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    may_look = await of_unknown_fate(tasks, tasks.batch("a", "b"), monkeypatch)
    [found], _ = await tasks.book.page(ALICE, limit=10)
    tasks.lab.clock.advance(HANDED_OVER_SECONDS)
    await tasks.run_item(found.task.item_name(0).ticket(1))
    may_look.set()
    await tasks.lab.paid_calls.finish(60)

    assert (await tasks.statuses(found.task), (await points(tasks))[:2]) == (["completed", "cancelled"], (1, 0))


async def failed(tasks: Tasks) -> Task:
    """A task of three of which the first two have failed, a while ago."""
    tasks.lab.model.then(UpstreamFailed(), UpstreamFailed())
    task = await tasks.batch("a", "b", "c")
    await tasks.worked_off(task, concurrency=1)
    tasks.lab.clock.advance(601)
    return task


async def test_what_may_be_called_off_is_not_begun_with_anybodys_ticket(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await tasks.batch("a")
    tasks.lab.clock.advance(601)
    may_look = await of_unknown_fate(tasks, tasks.batch("unknown"), monkeypatch)
    theirs = await tasks.batch("b", "b", owner=OwnerId("bob"))
    [unknown] = [each.task for each in (await tasks.book.page(ALICE, limit=10))[0] if each.task.id != before.id]
    for ticket in (*await tasks.tickets(), unknown.item_name(0).ticket(1)):
        await tasks.run_item(ticket)
    meanwhile = [await tasks.statuses(task) for task in (before, theirs, unknown)]
    may_look.set()
    await tasks.lab.paid_calls.finish(60)

    assert meanwhile == [["completed"], ["completed"] * 2, ["queued"]]
    assert (await tasks.statuses(unknown), await points(tasks)) == (["cancelled"], (3, 0, False))


async def test_a_retry_that_may_be_called_off_is_not_begun_with_a_ticket_that_is_left(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await failed(tasks)
    may_look = await of_unknown_fate(tasks, tasks.again(task), monkeypatch)
    await tasks.run_item(task.item_name(0).ticket(1))
    meanwhile = await tasks.statuses(task)
    may_look.set()
    await tasks.lab.paid_calls.finish(60)

    assert (meanwhile, await tasks.statuses(task)) == (
        ["queued", "queued", "completed"],
        ["failed", "failed", "completed"],
    )


async def test_what_nobody_called_off_is_lined_up_after_a_while(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    may_look = await of_unknown_fate(tasks, tasks.batch("a"), monkeypatch)
    survivor = another_process(tasks)
    [found], _ = await survivor.book.page(ALICE, limit=10)
    survivor.lab.clock.advance(HANDED_OVER_SECONDS + A_MOMENT)
    await survivor.round()
    done = await survivor.worked_off(found.task)
    may_look.set()
    await tasks.lab.paid_calls.finish(60)

    assert (done.status, await points(survivor)) == (TaskStatus.COMPLETED, (1, 0, True))


async def test_what_is_put_back_after_its_task_was_called_off_is_called_off_then(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.core.tasks.set_waiting.LOOK_AGAIN_SECONDS", 0)
    may_look = await of_unknown_fate(tasks, tasks.batch("a", "b"), monkeypatch)
    [found], _ = await tasks.book.page(ALICE, limit=10)
    tasks.lab.clock.advance(HANDED_OVER_SECONDS)
    begun = await tasks.begin(found.task.item_name(0))
    assert begun is not None
    may_look.set()
    while await tasks.statuses(found.task) != ["processing", "cancelled"]:  # noqa: ASYNC110 - a store tells nobody
        await asyncio.sleep(0)
    await tasks.begin.put_back(begun)
    await tasks.lab.paid_calls.finish(60)

    assert (await tasks.statuses(found.task), await points(tasks)) == (["cancelled"] * 2, (0, 0, False))
    assert [event.name for event in await tasks.events(found.task)].count(DONE) == 1


async def test_what_is_cut_off_while_it_is_taken_on_is_called_off(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.core.tasks.set_waiting.ANSWER_SECONDS", 60)
    tasks.lab.key_values.hangs = "afterwards"
    submitting = asyncio.create_task(tasks.batch("a"))
    await tasks.lab.key_values.has_hung.wait()
    tasks.lab.paid_calls.close()
    await tasks.lab.key_values.go_on()
    await tasks.lab.paid_calls.finish(0)
    with pytest.raises(ShuttingDown):
        await submitting

    [found], _ = await tasks.book.page(ALICE, limit=10)
    assert (found.status, await points(tasks)) == (TaskStatus.CANCELLED, (0, 0, False))


@pytest.mark.parametrize("hangs", ["before", "afterwards"])
async def test_a_retry_that_failed_for_its_client_is_put_back(tasks: Tasks, hangs: str) -> None:
    task = await failed(tasks)
    before = await tasks.progress(task)
    await told_that_it_failed(tasks, tasks.again(task), hangs=hangs)
    await tasks.lab.key_values.go_on()
    await tasks.lab.paid_calls.finish(60)

    assert (await tasks.progress(task), await points(tasks)) == (before, (1, 0, False))
    assert [event.name for event in await tasks.events(task)].count(DONE) == 2
    await tasks.again(task)
    assert (await tasks.worked_off(task)).finished == 3
    assert (len(tasks.lab.model.requests), await points(tasks)) == (5, (3, 0, True))


async def test_a_retry_that_comes_after_its_permit_changes_nothing(tasks: Tasks) -> None:
    task = await failed(tasks)
    before = await tasks.progress(task)
    await told_that_it_failed(tasks, tasks.again(task), hangs="before")
    tasks.lab.clock.advance(permit.SECONDS)
    await tasks.lab.key_values.go_on()
    await tasks.lab.paid_calls.finish(60)

    assert (await tasks.progress(task), await points(tasks)) == (before, (1, 0, False))


async def test_a_retry_whose_answer_was_lost_is_told_of_all_the_same(
    tasks: Tasks, unreliable: Any, mishap: Any
) -> None:
    task = await failed(tasks)
    answer_lost = mishap(StoreUnavailable("x"), "commit", times=1, applied=True)
    tasks.lab.ledger.__dict__["key_values"] = unreliable(tasks.lab.key_values, answer_lost)
    again = await tasks.again(task)

    assert [item.status.value for item in again.items] == ["queued", "queued", "completed"]
    assert again == await tasks.progress(task)
