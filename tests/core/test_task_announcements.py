"""What is posted of a task: how a channel begins, also anew, and that nothing is told twice or lost by that."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus
from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.tasks.announce import BEGUN, ITEM, LETTERS, Begun, ItemChanged
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task, TaskNotFound, TaskStatus
from nano_banana_lab.testing.frozen_clock import FrozenClock


class UnhurriedStore(MemoryKeyValueStore):
    """Lets others go on while it reads, as stores do that are somewhere else."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        found = await super().get_many(keys)
        await asyncio.sleep(0)
        return found


@pytest.fixture
def tasks(open_lab: Any) -> Tasks:
    clock = FrozenClock()
    return Tasks(lab=open_lab(clock=clock, key_values=UnhurriedStore(clock)))


def restarted(tasks: Tasks) -> Tasks:
    """The tasks in the process that comes after, whose bus knows nothing."""
    return Tasks(lab=tasks.lab, bus=MemoryEventBus(tasks.lab.clock))


async def items(tasks: Tasks, task: Task) -> Sequence[Item]:
    return (await tasks.progress(task)).items


async def names(tasks: Tasks, task: Task) -> list[str]:
    return [event.name for event in await tasks.events(task)]


def beginning(event: Any, total: int) -> list[ItemStatus]:
    """What the first event of a channel says."""
    assert event.name == BEGUN
    return msgspec.json.decode(event.data, type=Begun).statuses(total)


async def test_a_new_task_begins_with_items_that_wait(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    [event] = await tasks.events(task)

    assert beginning(event, 2) == [ItemStatus.QUEUED] * 2


async def test_a_task_of_which_nothing_is_known_any_more_begins_anew_with_how_far_it_has_come(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b", "c")
    await tasks.run_item(task.item_name(0).ticket(1))
    heir = restarted(tasks)
    await heir.run_item(task.item_name(1).ticket(1))
    first, *rest = await heir.events(task)

    assert beginning(first, 3) == [ItemStatus.COMPLETED, ItemStatus.PROCESSING, ItemStatus.QUEUED]
    assert [event.name for event in rest] == [ITEM, ITEM]


async def test_every_status_can_be_told_at_the_beginning() -> None:
    assert Begun.of(ItemStatus).statuses(len(ItemStatus)) == list(ItemStatus)
    assert len(set(LETTERS.values())) == len(ItemStatus)


async def test_whoever_is_first_one_event_and_no_other_is_the_beginning(tasks: Tasks) -> None:
    task = await tasks.batch(*"abcdef")
    heir = restarted(tasks)
    found = await items(tasks, task)
    beginners = [heir.announce.begin_again(task) for _ in range(5)]
    await asyncio.gather(*(heir.announce(task, item) for item in found), *beginners, heir.announce.begun(task))
    posted = await heir.events(task)

    assert [event.name for event in posted] == [BEGUN] + [ITEM] * 6
    told = {msgspec.json.decode(event.data, type=ItemChanged).index for event in posted[1:]}
    assert told == set(range(6))


async def test_a_beginning_that_came_after_all_is_not_posted(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    await tasks.announce.begin_again(task)
    await tasks.announce.begun(task)

    assert await names(tasks, task) == [BEGUN]


async def test_what_has_not_changed_is_not_told(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    heir = restarted(tasks)
    await heir.announce(task)

    assert await names(heir, task) == []


async def test_nobody_is_held_up_by_the_news_of_a_task_that_has_expired(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [item] = await items(tasks, task)
    tasks.lab.clock.advance(2 * 86400)
    await tasks.announce(task, item)

    assert await names(tasks, task) == []


async def test_an_outline_says_what_the_whole_says(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    await tasks.run_item(task.item_name(1).ticket(1))
    outline, whole = await tasks.book.outline(task), await tasks.progress(task)

    assert (outline.status, outline.finished, outline.started_at, outline.completed_at) == (
        TaskStatus.PROCESSING, 1, whole.started_at, None,
    )  # fmt: skip
    assert [item.status for item in outline.items] == [item.status for item in whole.items]


async def test_a_task_is_open_until_it_is_closed_and_again_when_it_is_tried_again(tasks: Tasks) -> None:
    tasks.lab.model.then(ValueError("a bug"))
    task = await tasks.batch("a")
    waiting = await tasks.book.is_open(task)
    await tasks.worked_off(task)
    closed = await tasks.book.is_open(task)
    await tasks.again(task)

    assert (waiting, closed, await tasks.book.is_open(task)) == (True, False, True)


async def test_of_an_expired_task_nothing_can_be_read(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    tasks.lab.clock.advance(86401)
    for reading in (tasks.book.is_open(task), tasks.book.outline(task), tasks.book.item(task, 0)):
        with pytest.raises(TaskNotFound):
            await reading
    with pytest.raises(TaskNotFound):
        await anext(tasks.book.in_turn(task))

    assert await tasks.book.page(ALICE, limit=10) == ([], 0)


async def test_items_come_in_turn_a_few_at_a_time(tasks: Tasks) -> None:
    prompts = [str(number) for number in range(45)]
    task = await tasks.batch(*prompts)
    portions = [portion async for portion in tasks.book.in_turn(task)]

    assert [item.commission.prompt for portion in portions for item in portion] == prompts
    assert max(map(len, portions)) < 45


async def test_a_list_says_what_is_being_made_and_reads_no_other_prompt(tasks: Tasks) -> None:
    busy = await tasks.batch("c", "d")
    tasks.lab.clock.advance(1)
    idle = await tasks.batch("a", "b")
    tasks.lab.model.hold()
    running = asyncio.create_task(tasks.run_item(busy.item_name(0).ticket(1)))
    await tasks.lab.model.calls_begun(1)
    found, _ = await tasks.book.page(ALICE, limit=10)
    prompts = dict(zip([each.task.id for each in found], await tasks.book.current_prompts(found), strict=True))
    tasks.lab.model.release()
    await running

    assert prompts == {idle.id: None, busy.id: "c"}
