"""See to it that every task moves on, whatever became of the process that had it."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING, ItemName, open_key, task_key
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.task import (
    Failure,
    Interrupted,
    Item,
    ItemStatus,
    TaskNotFound,
    decode_item,
    decode_task,
    readable,
)
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import LINE_UP_AGAIN_SECONDS
from nano_banana_lab.core.tasks.turns import Turns

AT_ONCE = 100

PAGES = 10
"""How many times as many are looked at in one round, whose end must come: what is left is looked at in the next one."""

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
        """For every item that this process is making, unless it was given up. Raises `StoreUnavailable`."""
        running = dict(self.run_item.running)
        if running:
            with self._noting_trouble():
                kept = await self.key_values.get_many([name.key for name in running.values()])
                runs = zip(running.items(), kept, strict=True)
                made = [name for (run, name), value in runs if _is_made(_item(name, value), run)]
                await self._commit([self.book.moves.alive(str(name)) for name in made])

    async def line_up_what_waits(self) -> None:
        """Tell the queue again, or for the first time, of what has been waiting without anybody having begun it.

        Not while a store is down: nothing would be begun then.
        """
        async for members in self._due(QUEUED):
            try:
                await self.stores.require()
            except StoreUnavailable:
                return
            await self._line_up([ItemName.read(member) for member in members])

    async def mark_interrupted(self) -> None:
        """What was being made by a process that has died. The call may have been paid for, so nobody repeats it unasked."""
        async for members in self._due(RUNNING):
            names = [ItemName.read(member) for member in members]
            kept = await self.key_values.get_many([name.key for name in names])
            for name, value in zip(names, kept, strict=True):
                if value is None:
                    await self.key_values.commit(*self.book.moves.gone(name))
                elif (item := _item(name, value)) and item.run not in self.run_item.running:
                    await self._interrupt_or_unlist(name, item, value)

    async def close_what_is_over(self) -> None:
        """Tasks of which nothing more comes, and whose last end was not told."""
        async for members in self._due(OPEN):
            for member in members:
                owner, _, task_id = member.partition("/")
                await self._close_if_over(OwnerId(owner), task_id)

    async def _line_up(self, names: Sequence[ItemName]) -> None:
        values = dict(zip(names, await self.key_values.get_many([name.key for name in names]), strict=True))
        items = {name: item for name, value in values.items() if (item := _item(name, value))}
        waiting = {name: item for name, item in items.items() if item.status is ItemStatus.QUEUED}
        await self._look_again_later(values, waiting)
        for name, item in items.items():
            if name not in waiting and (kept_as := values[name]):
                await self._unless_changed(self.book.moves.waiting_no_more(name, item, kept_as))
        if waiting:
            await self.turns.enter(name.owner for name in waiting)
            other = milliseconds(self.clock.now()) // (LINE_UP_AGAIN_SECONDS * 1000) % 2 == 1
            await self.queue.submit([name.ticket(item.attempt, other=other) for name, item in waiting.items()])

    async def _look_again_later(
        self, values: Mapping[ItemName, bytes | None], waiting: Mapping[ItemName, Item]
    ) -> None:
        """At those that wait, which may be begun now, and those that another version kept. What has expired goes."""
        moves, operations = self.book.moves, list[Operation]()
        for name, value in values.items():
            if name in waiting:
                operations += [moves.looked_at_later(name), moves.ready(name, waiting[name])]
            elif value is None:
                operations += moves.gone(name)
            elif _item(name, value) is None:
                operations.append(moves.looked_at_later(name))
        await self._commit(operations)

    async def _interrupt_or_unlist(self, name: ItemName, item: Item, kept_as: bytes) -> None:
        if item.status is ItemStatus.PROCESSING:
            await self._interrupt(name, item, kept_as)
        else:
            await self._unless_changed(self.book.moves.running_no_more(name, item, kept_as))

    async def _commit(self, operations: Sequence[Operation]) -> None:
        if operations:
            await self.key_values.commit(*operations)

    async def _unless_changed(self, operations: Sequence[Operation]) -> None:
        """What has changed since it was read is looked at again in the next round."""
        with contextlib.suppress(CommitRefused):
            await self.key_values.commit(*operations)

    async def _interrupt(self, name: ItemName, item: Item, kept_as: bytes) -> None:
        now = from_milliseconds(milliseconds(self.clock.now()))
        ended = msgspec.structs.replace(
            item, status=ItemStatus.INTERRUPTED, failure=Failure.of(Interrupted()), finished_at=now
        )
        try:
            await self.trial.give_back(item.reservation, along_with=self.book.moves.ending(name, ended, kept_as))
        except CommitRefused:
            return  # it has come to its end after all
        logger.warning("an item was interrupted", extra={"item": str(name)})
        key = task_key(name.owner, name.task)
        kept_task = await self.key_values.get(key)
        if kept_task and (task := readable(decode_task, kept_task, key)):  # else nobody asks any more
            await self.announce(task, ended)

    async def _close_if_over(self, owner: OwnerId, task_id: str) -> None:
        try:
            task = await self.book.task(owner, task_id)
            sealed_key = await self.key_values.get(open_key(owner, task_id))
            if sealed_key is None or await self.announce.once_more(task):
                return  # whoever closed it took it out of the index in the same step
        except TaskNotFound:
            await self.key_values.commit(*self.book.moves.forgetting(owner, task_id))
            return
        except msgspec.DecodeError:  # another version's, which closes it
            return
        await self._unless_changed(self.book.moves.putting_off(task, sealed_key))

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


def _item(name: ItemName, value: bytes | None) -> Item | None:
    """None where there is none, or none that this version can read."""
    return None if value is None else readable(decode_item, value, name.key)


def _is_made(item: Item | None, run: str) -> bool:
    return item is not None and item.status is ItemStatus.PROCESSING and item.run == run
