"""What one owner may have the lab keep of tasks."""

from typing import Any

import pytest
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.input_pictures import SentPicture
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.limits import TooManyTasks, TooMuchWaiting

BOB = OwnerId("bob")
UNREADABLE = SentPicture(data=b"no picture", field="images.0")


@pytest.fixture
def tasks(open_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Tasks:
    """Where three tasks are kept, and the next one is refused from five waiting items on."""
    monkeypatch.setattr("nano_banana_lab.core.tasks.limits.MOST_TASKS", 3)
    monkeypatch.setattr("nano_banana_lab.core.tasks.limits.MOST_WAITING", 5)
    return Tasks(lab=open_lab(), ttl_seconds=100)


async def test_finished_tasks_count_until_they_are_forgotten(tasks: Tasks) -> None:
    for _ in range(3):
        await tasks.worked_off(await tasks.batch("a"))
    with pytest.raises(TooManyTasks) as refused:
        await tasks.batch("a")
    await tasks.batch("a", owner=BOB)
    tasks.lab.clock.advance(101)
    await tasks.batch("a")

    assert (refused.value.details, refused.value.retry_after) == ({"most": 3}, 600)


async def test_what_waits_counts_until_it_is_made(tasks: Tasks) -> None:
    first = await tasks.batch(*"abcdefg")
    with pytest.raises(TooMuchWaiting) as refused:
        await tasks.batch("h")
    await tasks.batch("h", owner=BOB)
    await tasks.worked_off(first)
    await tasks.batch("h")

    assert (refused.value.details, refused.value.retry_after) == ({"most": 5}, 60)
    assert (await tasks.book.kept(ALICE), await tasks.book.waiting(ALICE)) == (2, 1)


async def test_what_waits_counts_until_it_is_cancelled(tasks: Tasks) -> None:
    task = await tasks.batch(*"abcde")
    await tasks.cancel(ALICE, task.id)
    await tasks.batch(*"abcde")

    assert await tasks.book.waiting(ALICE) == 5


async def test_what_is_being_made_does_not_wait(tasks: Tasks) -> None:
    tasks.lab.model.hold()
    task = await tasks.batch(*"abcde")
    async with tasks.working(concurrency=2):
        await tasks.lab.model.calls_begun(2)
        waiting = await tasks.book.waiting(ALICE)
        tasks.lab.model.release()
        await tasks.done(task)

    assert (waiting, await tasks.book.waiting(ALICE)) == (3, 0)


async def test_it_is_refused_before_anything_is_looked_at(tasks: Tasks) -> None:
    await tasks.batch(*"abcde")
    with pytest.raises(TooMuchWaiting):
        await tasks.taken_on([Commission(mode=Mode.BLEND, prompt="x", pictures=(UNREADABLE, UNREADABLE))])

    assert await tasks.lab.files() == []
