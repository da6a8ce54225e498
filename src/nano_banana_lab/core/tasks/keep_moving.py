"""See to it that every task moves on, whatever became of the process that had it."""

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused, IndexPut, IndexRemove
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING, ItemName
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.task import Failure, Interrupted, ItemStatus, TaskNotFound, decode_item
from nano_banana_lab.core.tasks.task_book import LOOK_AGAIN_SECONDS, UNFINISHED_SECONDS, TaskBook

AT_ONCE = 100

LINE_UP_AGAIN_SECONDS = 20
"""How long an item waits before the queue is told of it once more, in case it has forgotten."""

CALM_SECONDS = 10
"""How long the store must have been there before anybody is taken for dead: others may not have had time for a sign of life."""

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class KeepTasksMoving:
    """One round every few seconds, in every process: any number of them do no harm to each other.

    What is being made here gives a sign of life. What waits too long is lined up again, what gave no sign of life for
    too long is marked as interrupted and its points are given back, and what should have been closed is closed.
    """

    book: TaskBook
    queue: TaskQueue
    run_item: RunItem
    trial: Trial
    announce: Announce
    key_values: KeyValueStore
    clock: Clock
    _calm_since: float = field(default_factory=time.monotonic, init=False)

    async def __call__(self) -> None:
        """Raises `StoreUnavailable` and `QueueUnavailable`; the next round goes on."""
        try:
            await self.give_signs_of_life()
            await self.line_up_what_waits()
            if time.monotonic() - self._calm_since >= CALM_SECONDS:
                await self.mark_interrupted()
            await self.close_what_is_over()
        except BaseException:
            self._calm_since = time.monotonic()
            raise

    async def give_signs_of_life(self) -> None:
        """For every item that this process is making."""
        alive = [self.book.alive(name) for name in self.run_item.running]
        if alive:
            await self.key_values.commit(*alive)

    async def line_up_what_waits(self) -> None:
        """Tell the queue again, or for the first time, of what has been waiting without anybody having begun it."""
        async for names in self._due(QUEUED):
            kept = await self.key_values.get_many([ItemName.read(name).key for name in names])
            waiting = [name for name, value in zip(names, kept, strict=True) if _is(value, ItemStatus.QUEUED)]
            later = milliseconds(self.clock.now()) + LINE_UP_AGAIN_SECONDS * 1000
            gone = set(names).difference(waiting)
            await self.key_values.commit(
                *(IndexPut(index=QUEUED, member=name, score=later, ttl=UNFINISHED_SECONDS) for name in waiting),
                *(IndexRemove(index=QUEUED, member=name) for name in gone),
            )
            if waiting:
                await self.queue.submit(waiting)

    async def mark_interrupted(self) -> None:
        """What was being made by a process that has died. The call may have been paid for, so nobody repeats it unasked."""
        async for names in self._due(RUNNING):
            kept = await self.key_values.get_many([ItemName.read(name).key for name in names])
            for name, value in zip(names, kept, strict=True):
                if value is not None and _is(value, ItemStatus.PROCESSING):
                    await self._interrupt(ItemName.read(name), value)
                else:
                    await self.key_values.commit(IndexRemove(index=RUNNING, member=name))

    async def close_what_is_over(self) -> None:
        """Tasks of which nothing more comes, and whose last end was not told."""
        async for members in self._due(OPEN):
            for member in members:
                await self._close_if_over(member)

    async def _interrupt(self, name: ItemName, kept_as: bytes) -> None:
        item = decode_item(kept_as)
        now = from_milliseconds(milliseconds(self.clock.now()))
        ended = msgspec.structs.replace(
            item, status=ItemStatus.INTERRUPTED, failure=Failure.of(Interrupted()), finished_at=now
        )
        try:
            await self.trial.give_back(item.reservation, along_with=self.book.ending(name, ended, kept_as))
        except CommitRefused:
            return  # it has come to its end after all
        logger.warning("an item was interrupted", extra={"item": str(name)})
        await self.announce(await self.book.task(name.owner, name.task), ended)

    async def _close_if_over(self, member: str) -> None:
        owner, _, task_id = member.partition("/")
        try:
            closed = await self.announce.once_more(await self.book.task(OwnerId(owner), task_id))
        except TaskNotFound:  # it has expired
            closed = True
        # A task that is closed is taken out with its closing; here, whoever else has just done so does not matter.
        later = milliseconds(self.clock.now()) + LOOK_AGAIN_SECONDS * 1000
        put_off = IndexPut(index=OPEN, member=member, score=later, ttl=UNFINISHED_SECONDS)
        await self.key_values.commit(IndexRemove(index=OPEN, member=member) if closed else put_off)

    async def _due(self, index: str) -> AsyncIterator[list[str]]:
        """The members whose time has come, in pages."""
        now, last = milliseconds(self.clock.now()), None
        while (
            page := await self.key_values.page(index, limit=AT_ONCE, newest_first=False, after=last, max_score=now)
        ).entries:
            yield [entry.member for entry in page.entries]
            last = page.entries[-1]


def _is(value: bytes | None, status: ItemStatus) -> bool:
    return value is not None and decode_item(value).status is status
