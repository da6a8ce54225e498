"""See to it that every task moves on, whatever became of the process that had it."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused, IndexPut, IndexRemove
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING, ItemName, open_key
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.task import Failure, Interrupted, ItemStatus, TaskNotFound, decode_item
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import UNFINISHED_SECONDS
from nano_banana_lab.core.tasks.turns import Turns

AT_ONCE = 100

PAGES = 10
"""How many times as many are looked at in one round, whose end must come: what is left is looked at in the next one."""

LINE_UP_AGAIN_SECONDS = 20
"""How long an item waits before the queue is told of it once more, in case it has forgotten."""

CALM_SECONDS = 10
"""How long the store must have been there before anybody is taken for dead: others may not have had time for a sign of life."""

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class KeepTasksMoving:
    """One round every few seconds, in every process: any number of them do no harm to each other.

    What waits too long is lined up again, what gave no sign of life for too long is marked as interrupted and its
    points are given back, and what should have been closed is closed. What is being made here gives a sign of life
    meanwhile, however long a round takes.
    """

    book: TaskBook
    turns: Turns
    queue: TaskQueue
    run_item: RunItem
    trial: Trial
    announce: Announce
    stores: StoreWatch
    key_values: KeyValueStore
    clock: Clock
    _calm_since: float = field(default_factory=time.monotonic, init=False)

    async def __call__(self) -> None:
        """Raises `StoreUnavailable` and `QueueUnavailable`; the next round goes on."""
        with self._noting_trouble():
            await self.line_up_what_waits()
            if time.monotonic() - self._calm_since >= CALM_SECONDS:
                await self.mark_interrupted()
            await self.close_what_is_over()
            await self.turns.tidy()

    async def give_signs_of_life(self) -> None:
        """For every item that this process is making. Raises `StoreUnavailable`."""
        alive = [self.book.moves.alive(name) for name in self.run_item.running]
        if alive:
            with self._noting_trouble():
                await self.key_values.commit(*alive)

    async def line_up_what_waits(self) -> None:
        """Tell the queue again, or for the first time, of what has been waiting without anybody having begun it.

        Not while a store is down: nothing would be begun then.
        """
        async for names in self._due(QUEUED):
            try:
                await self.stores.require()
            except StoreUnavailable:
                return
            await self._line_up(names)

    async def mark_interrupted(self) -> None:
        """What was being made by a process that has died. The call may have been paid for, so nobody repeats it unasked."""
        async for names in self._due(RUNNING):
            others = [ItemName.read(name) for name in names if name not in self.run_item.running]
            kept = await self.key_values.get_many([name.key for name in others])
            for name, value in zip(others, kept, strict=True):
                if value is not None and decode_item(value).status is ItemStatus.PROCESSING:
                    await self._interrupt(name, value)
                else:
                    await self.key_values.commit(IndexRemove(index=RUNNING, member=str(name)))

    async def close_what_is_over(self) -> None:
        """Tasks of which nothing more comes, and whose last end was not told."""
        async for members in self._due(OPEN):
            for member in members:
                owner, _, task_id = member.partition("/")
                await self._close_if_over(OwnerId(owner), task_id)

    async def _line_up(self, members: Sequence[str]) -> None:
        names = [ItemName.read(member) for member in members]
        kept = await self.key_values.get_many([name.key for name in names])
        items = [None if value is None else decode_item(value) for value in kept]
        waiting = {
            name: item for name, item in zip(names, items, strict=True) if item and item.status is ItemStatus.QUEUED
        }
        later = milliseconds(self.clock.now()) + LINE_UP_AGAIN_SECONDS * 1000
        await self.key_values.commit(
            *(IndexPut(index=QUEUED, member=str(name), score=later, ttl=UNFINISHED_SECONDS) for name in waiting),
            *(IndexRemove(index=QUEUED, member=str(name)) for name in names if name not in waiting),
        )
        if waiting:
            await self.turns.enter(name.owner for name in waiting)
            await self.queue.submit([name.ticket(item.attempt) for name, item in waiting.items()])

    async def _interrupt(self, name: ItemName, kept_as: bytes) -> None:
        item = decode_item(kept_as)
        now = from_milliseconds(milliseconds(self.clock.now()))
        ended = msgspec.structs.replace(
            item, status=ItemStatus.INTERRUPTED, failure=Failure.of(Interrupted()), finished_at=now
        )
        try:
            await self.trial.give_back(item.reservation, along_with=self.book.moves.ending(name, ended, kept_as))
        except CommitRefused:
            return  # it has come to its end after all
        logger.warning("an item was interrupted", extra={"item": str(name)})
        await self.announce(await self.book.task(name.owner, name.task), ended)

    async def _close_if_over(self, owner: OwnerId, task_id: str) -> None:
        try:
            task = await self.book.task(owner, task_id)
            sealed_key = await self.key_values.get(open_key(owner, task_id))
            if sealed_key is None or await self.announce.once_more(task):
                return  # whoever closed it took it out of the index in the same step
        except TaskNotFound:
            await self.key_values.commit(*self.book.moves.forgetting(owner, task_id))
            return
        with contextlib.suppress(CommitRefused):  # closed meanwhile
            await self.key_values.commit(*self.book.moves.putting_off(task, sealed_key))

    async def _due(self, index: str) -> AsyncIterator[list[str]]:
        """The members whose time has come, in pages, as many as one round may take."""
        now, last = milliseconds(self.clock.now()), None
        for _ in range(PAGES):
            page = await self.key_values.page(index, limit=AT_ONCE, newest_first=False, after=last, max_score=now)
            if not page.entries:
                return
            yield [entry.member for entry in page.entries]
            last = page.entries[-1]

    @contextlib.contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._calm_since = time.monotonic()
            raise
