"""Tell whoever listens how a task goes on, and close it once all has been told."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.storage.operations import Add, CommitRefused
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.keys import announced_key, channel
from nano_banana_lab.core.tasks.ports import EventBus, QueueUnavailable
from nano_banana_lab.core.tasks.task import Failure, Item, ItemStatus, Task, TaskNotFound
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import ENDS, UNFINISHED_SECONDS

BEGUN = "begun"
ITEM = "item"
DONE = "done"
"""The names of the events: first how a channel begins, then every change of an item, and `done` behind the last of them."""

LETTERS = {
    ItemStatus.QUEUED: "q",
    ItemStatus.PROCESSING: "p",
    ItemStatus.COMPLETED: "c",
    ItemStatus.FAILED: "f",
    ItemStatus.INTERRUPTED: "i",
    ItemStatus.CANCELLED: "x",
}
_STATUSES = {letter: status for status, letter in LETTERS.items()}

logger = logging.getLogger(__name__)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an event `begun`: how far the items had come, a letter for each in their order; none while all wait."""

    items: str = ""

    @classmethod
    def of(cls, statuses: Iterable[ItemStatus]) -> "Begun":
        """A beginning in the middle."""
        return cls(items="".join(LETTERS[status] for status in statuses))

    def statuses(self, total: int) -> list[ItemStatus]:
        """How far each of the `total` items had come."""
        return [_STATUSES[letter] for letter in self.items] or [ItemStatus.QUEUED] * total


class ItemChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an event `item`: what the item is from then on."""

    index: int
    status: ItemStatus
    picture_id: str | None = None
    failure: Failure | None = None

    @classmethod
    def of(cls, item: Item) -> "ItemChanged":
        """What there is to tell of the item."""
        return cls(index=item.index, status=item.status, picture_id=item.picture_id, failure=item.failure)


@dataclass(frozen=True, kw_only=True)
class Announce:
    """Every end is posted before it is counted, and whoever counts the last one closes the task.

    What could not be told because something was away is told, with the rest, by whoever closes the task later.

    The first event of a channel is `begun`, and no other one is: where there is none yet, because the task is new,
    or none any more, because the bus was restarted, nothing but `begun` is posted, and where there is one no second.
    The bus sees to both in the step of posting (`if_empty`), so of all who begin a channel at once one does.
    A change is kept before it is posted. What the beginning does not show yet is posted behind it;
    what it shows already may be, too, and says the same again.
    """

    book: TaskBook
    bus: EventBus

    async def begun(self, task: Task) -> None:
        """There is a new task. Never fails."""
        try:
            await self._begin(task, Begun())
        except QueueUnavailable as error:
            logger.warning("nobody could be told of a new task: %s", error, extra={"task": task.id})

    async def begin_again(self, task: Task) -> None:
        """Give the channel of a task that goes on a beginning, unless it has one.

        Raises `QueueUnavailable`, `StoreUnavailable` and `TaskNotFound`.
        """
        await self._begin(task, Begun.of(item.status for item in (await self.book.outline(task)).items))

    async def __call__(self, task: Task, *items: Item) -> None:
        """These items have changed and are kept. Never fails: how a task goes on does not depend on who hears of it."""
        ends = sum(item.status.is_final for item in items)
        try:
            await self._post_items(task, items)
            if ends and await self._count(task, ends) >= task.total:
                await self._close_if_finished(task)
        except (QueueUnavailable, StoreUnavailable, TaskNotFound, msgspec.DecodeError) as error:
            logger.warning("nobody could be told how a task goes on: %s", error, extra={"task": task.id})

    async def once_more(self, task: Task) -> bool:
        """Close the task when nothing more comes of it, and tell of every item; says whether that was so.

        When several try, one does, and the others need not.
        Raises `QueueUnavailable`, `StoreUnavailable` and `TaskNotFound`.
        """
        items = [item for item, _ in await self.book.items(task)]
        if not all(item.status.is_final for item in items):
            return False
        if await self._closed(task):
            await self._post_items(task, items)
            await self._post(task, [(DONE, b"{}")])
        return True

    async def _close_if_finished(self, task: Task) -> None:
        if (await self.book.outline(task)).finished == task.total and await self._closed(task):
            await self._post(task, [(DONE, b"{}")])

    async def _closed(self, task: Task) -> bool:
        """Whether it was us who closed it."""
        try:
            await self.book.key_values.commit(*self.book.moves.closing(task))
        except CommitRefused:
            return False
        return True

    async def _post_items(self, task: Task, items: Sequence[Item]) -> None:
        await self._post(task, [(ITEM, msgspec.json.encode(ItemChanged.of(item))) for item in items])

    async def _post(self, task: Task, events: Sequence[tuple[str, bytes]]) -> None:
        while events and not await self._publish(task, events, if_empty=False):
            await self.begin_again(task)

    async def _begin(self, task: Task, begun: Begun) -> None:
        await self._publish(task, [(BEGUN, msgspec.json.encode(begun))], if_empty=True)

    async def _publish(self, task: Task, events: Sequence[tuple[str, bytes]], *, if_empty: bool) -> list[str]:
        ttl = max(UNFINISHED_SECONDS, self.book.moves.ttl_seconds)
        return await self.bus.publish(channel(task.owner, task.id), events, ttl=ttl, if_empty=if_empty)

    async def _count(self, task: Task, ends: int) -> int:
        key = announced_key(task.owner, task.id)
        ttl = float(UNFINISHED_SECONDS + self.book.moves.ttl_seconds)
        [counted] = await self.book.key_values.commit(Add(key=key, field=ENDS, amount=ends, ttl=ttl))
        return counted or 0
