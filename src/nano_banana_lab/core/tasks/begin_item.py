"""Decide which item is made next where there is room for one, and begin it."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

import msgspec

from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.insist import at_last
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.cancel_item import CancelItem
from nano_banana_lab.core.tasks.keys import ItemName, cancelled_key, task_key
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task, decode_item, decode_task, encode, readable
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.turns import A_FEW, Line, Turns, Waiting

SAY_SO_SECONDS = 3
"""How long a process that is being stopped takes to write down what became of an item; after that others find out."""

TRIES = 8
"""How often another item is chosen after the one before was not to be begun; what is left then waits for another ticket."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is this process's to make."""

    task: Task
    name: ItemName
    item: Item


class _Unsure(Exception):
    """The store did not say whether an item was begun that waited as `kept_as`."""

    def __init__(self, begun: Begun, kept_as: bytes) -> None:
        self.begun = begun
        self.kept_as = kept_as


@dataclass(frozen=True, kw_only=True)
class BeginItem:
    """A ticket says that there is room for one item: it is that of the owner whose turn it is.

    Each item comes with one ticket, and each ticket begins one item while any waits, so whose ticket it is does not matter.
    Only an item that waits is begun, and only by one. `running` has the runs that this process has begun, and their items.
    """

    book: TaskBook
    turns: Turns
    stores: StoreWatch
    cancel_item: CancelItem
    announce: Announce
    clock: Clock
    running: dict[str, ItemName] = field(default_factory=dict, init=False)
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def __call__(self, own: ItemName) -> Begun | None:
        """What has been begun with the ticket of the item `own`; None when nothing may be begun.

        Raises `StoreUnavailable`, and begins nothing, while one of the stores is down.
        """
        while True:
            await self.stores.require()
            try:
                async with self._choosing:  # one after the other: the next one finds the turn passed on
                    return await self._next(own)
            except _Unsure as unsure:
                if await self._turned_out_begun(unsure.begun, unsure.kept_as):
                    return unsure.begun

    async def put_back(self, begun: Begun, *, delay: float = 0, refusals: int = 0) -> Item | None:
        """The item, which waits again, for `delay` seconds at least: it has not been paid for.

        It is cancelled instead when its owner has cancelled the task meanwhile; None when others have given it up.
        `refusals` is how often more the model was too busy for it. While the store is away this takes as long as that.
        """
        refused = begun.item.refusals + refusals
        waiting = msgspec.structs.replace(begun.item, status=ItemStatus.QUEUED, started_at=None, refusals=refused)
        try:
            await at_last(lambda: self._put_back(begun, waiting, delay))
        except CommitRefused as refusal:
            if refusal.current != encode(waiting):  # else by an earlier try whose answer was lost
                return None
        cancelled = await at_last(lambda: self.book.key_values.get(cancelled_key(begun.task.owner, begun.task.id)))
        if cancelled is None:
            return waiting
        return await at_last(lambda: self.cancel_item(begun.task, waiting, encode(waiting)))

    async def hand_on(self, begun: Begun) -> Item | None:
        """Put it back for another process, because this one is being stopped; takes no longer than there is time for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SO_SECONDS):
                return await self.put_back(begun)
        return None

    async def _next(self, own: ItemName) -> Begun | None:
        tried = set[ItemName]()
        for _ in range(TRIES):
            line = await self.turns.line()
            chosen = await self._chosen(own, line, tried)
            if chosen is None:
                return None
            if begun := await self._begun(chosen, line):
                return begun
            tried.add(chosen)
        return None

    async def _chosen(self, own: ItemName, line: Line, tried: set[ItemName]) -> ItemName | None:
        """An item of whoever is first and has one; at last of whose ticket it is, who may be lost from the line."""
        few, in_line = A_FEW * (1 + len(tried)), False
        async for owner in self.turns.owners(line):
            in_line |= owner == own.owner
            waiting = await self.turns.waiting(owner, first=few)
            if chosen := _one_of(waiting, tried):
                return chosen
            if waiting.nothing:
                await self.turns.leave(owner)
        return None if in_line else _one_of(await self.turns.waiting(own.owner, first=few), tried)

    async def _begun(self, name: ItemName, line: Line) -> Begun | None:
        """None when it is not to be begun; then whoever looks next does not find it, or not at once."""
        keys = (task_key(name.owner, name.task), name.key, cancelled_key(name.owner, name.task))
        kept_task, kept_as, cancelled = await self.book.key_values.get_many(keys)
        if kept_task is None or kept_as is None:  # expired
            await self.book.key_values.commit(*self.book.moves.gone(name))
            return None
        task, item = readable(decode_task, kept_task, keys[0]), readable(decode_item, kept_as, name.key)
        if task is None or item is None:
            await self.book.key_values.commit(*self.book.moves.passed_over(name))
            return None
        if item.status is not ItemStatus.QUEUED:
            await self.book.key_values.commit(self.book.moves.not_ready(name))
            return None
        if cancelled is not None:
            await self._cancel(task, item, kept_as)
            return None
        now = from_milliseconds(milliseconds(self.clock.now()))
        begun = msgspec.structs.replace(item, status=ItemStatus.PROCESSING, run=new_id(), started_at=now)
        return await self._ours(Begun(task=task, name=name, item=begun), kept_as, line)

    async def _cancel(self, task: Task, item: Item, kept_as: bytes) -> None:
        if ended := await self.cancel_item(task, item, kept_as):
            await self.announce(task, ended)

    async def _ours(self, begun: Begun, kept_as: bytes, line: Line) -> Begun | None:
        operations = self.book.moves.beginning(begun.name, begun.item, kept_as, turn=line.end)
        self.running[begun.item.run] = begun.name  # at once: a try whose answer is lost may have begun it
        try:
            await self.book.key_values.commit(*operations)
        except CommitRefused:
            self.running.pop(begun.item.run)
            return None
        except StoreUnavailable as error:
            raise _Unsure(begun, kept_as) from error
        except asyncio.CancelledError:
            await self._hand_on_if_begun(begun, kept_as)
            raise
        return begun

    async def _turned_out_begun(self, begun: Begun, kept_as: bytes) -> bool:
        """Once the store is back: whether it was begun after all. If not, a store that hung does not begin it any more."""
        ours = False
        try:
            ours = await at_last(lambda: self._was_begun(begun, kept_as))
        finally:
            if not ours:
                self.running.pop(begun.item.run)
        return ours

    async def _was_begun(self, begun: Begun, kept_as: bytes) -> bool:
        waiting = msgspec.structs.replace(begun.item, status=ItemStatus.QUEUED, started_at=None)
        try:
            await self.book.key_values.commit(*self.book.moves.staying(begun.name, waiting, kept_as))
        except CommitRefused as refused:
            return refused.current == encode(begun.item)
        return False

    async def _hand_on_if_begun(self, begun: Begun, kept_as: bytes) -> None:
        """The process is being stopped while it was begun."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SO_SECONDS):
                if await self._turned_out_begun(begun, kept_as):
                    item = await self.put_back(begun)
                    if item and item.status.is_final:
                        await self.announce(begun.task, item)
        self.running.pop(begun.item.run, None)

    async def _put_back(self, begun: Begun, waiting: Item, delay: float) -> None:
        operations = self.book.moves.lining_up(begun.task, waiting, encode(begun.item), delay=delay)
        await self.book.key_values.commit(*operations)


def _one_of(waiting: Waiting, tried: set[ItemName]) -> ItemName | None:
    """The first item; after a try that failed any of the first few, to keep apart."""
    untried = [name for name in waiting.now if name not in tried]
    if not untried:
        return None
    return random.choice(untried) if tried else untried[0]  # noqa: S311 - nothing has to stay secret
