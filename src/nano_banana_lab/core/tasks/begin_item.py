"""Decide which item is made next where there is room for one, and begin it."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

import msgspec

from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.keys import ItemName, task_key
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task, decode_item, decode_task, encode
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.turns import Line, Turns

SAY_SO_SECONDS = 3
"""How long a process that is being stopped takes to write down what became of an item; after that others find out."""

TRIES = 8
"""How often another item is chosen after somebody else has begun the one before."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is this process's to make."""

    task: Task
    name: ItemName
    item: Item


@dataclass(frozen=True, kw_only=True)
class BeginItem:
    """A ticket says that there is room for one item: it is that of the owner whose turn it is, else the ticket's own.

    Each item comes with one ticket, and each ticket begins one item while any waits, so whose ticket it is does not matter.
    Only an item that waits is begun, and only by one. `running` names what this process has begun.
    """

    book: TaskBook
    turns: Turns
    stores: StoreWatch
    clock: Clock
    running: set[str] = field(default_factory=set, init=False)
    _in_step: set[OwnerId] = field(default_factory=set, init=False, repr=False)
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def __call__(self, own: ItemName) -> Begun | None:
        """What has been begun with the ticket of the item `own`; None when nothing waits.

        Raises `StoreUnavailable`, and begins nothing, while one of the stores is down.
        """
        await self.stores.require()
        async with self._choosing:  # one after the other: the next one finds the turn passed on
            tried = set[ItemName]()
            for _ in range(TRIES):
                line = await self.turns.line()
                chosen = await self._chosen(own, line, tried)
                if chosen is None:
                    return None
                if begun := await self._begun(chosen, line):
                    return begun
                tried.add(chosen)
            return None if own in tried else await self._begun(own, line)

    async def put_back(self, begun: Begun, *, delay: float = 0, refusals: int = 0) -> Item:
        """The item, which waits again, for `delay` seconds at least: it has not been paid for.

        `refusals` is how often more the model was too busy for it. If this fails it is interrupted in a while.
        """
        item = begun.item
        waiting = msgspec.structs.replace(
            item, status=ItemStatus.QUEUED, run="", started_at=None, refusals=item.refusals + refusals
        )
        operations = self.book.moves.lining_up(begun.task, waiting, encode(item), delay=delay)
        with contextlib.suppress(CommitRefused, StoreUnavailable):
            await insist(lambda: self.book.key_values.commit(*operations))
        return waiting

    async def hand_on(self, begun: Begun) -> None:
        """Put it back for another process, because this one is being stopped; takes no longer than there is time for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SO_SECONDS):
                await self.put_back(begun)

    async def _chosen(self, own: ItemName, line: Line, tried: set[ItemName]) -> ItemName | None:
        """The first item of whoever is first and has one; after a try that failed any of the first few, to keep apart.

        Where only one owner is there and the tickets come in the order of the items, that is the ticket's own.
        """
        if line.owners == (own.owner,) and own.owner in self._in_step and not tried:
            return own
        for owner in line.owners:
            waiting = await self.turns.waiting(owner)
            if not waiting:
                self._in_step.discard(owner)
                await self.turns.leave(owner)
            elif untried := [name for name in waiting if name not in tried]:
                chosen = random.choice(untried) if tried else untried[0]  # noqa: S311 - nothing has to stay secret
                (self._in_step.add if chosen == own else self._in_step.discard)(owner)
                return chosen
        return None if own in tried else own

    async def _begun(self, name: ItemName, line: Line) -> Begun | None:
        """None when it does not wait any more."""
        found = await self.book.key_values.get_many([task_key(name.owner, name.task), name.key])
        if found[0] is None or found[1] is None:  # expired
            return None
        task, item = decode_task(found[0]), decode_item(found[1])
        if item.status is not ItemStatus.QUEUED:
            return None
        now = from_milliseconds(milliseconds(self.clock.now()))
        begun = msgspec.structs.replace(item, status=ItemStatus.PROCESSING, run=new_id(), started_at=now)
        return await self._ours(Begun(task=task, name=name, item=begun), found[1], line)

    async def _ours(self, begun: Begun, kept_as: bytes, line: Line) -> Begun | None:
        ours = False
        self.running.add(str(begun.name))  # at once: a try whose answer is lost may have begun it
        try:
            ours = await self._taken(begun, kept_as, line)
        except asyncio.CancelledError:
            await self.hand_on(begun)
            raise
        finally:
            if not ours:
                self.running.discard(str(begun.name))
        return begun if ours else None

    async def _taken(self, begun: Begun, kept_as: bytes, line: Line) -> bool:
        operations = self.book.moves.beginning(begun.name, begun.item, kept_as, turn=line.end)
        try:
            await insist(lambda: self.book.key_values.commit(*operations))
        except CommitRefused as refused:
            return refused.current == encode(begun.item)  # by an earlier try whose answer was lost
        return True
