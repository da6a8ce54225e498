"""Let items of a task wait, paid for: all of them, or none."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.permit import Permit
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import permit_key
from nano_banana_lab.core.tasks.task import Item, Task, encode
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import UNFINISHED_SECONDS

T = TypeVar("T")

ANSWER_SECONDS = 4.3
"""By then it is told what became of it, so that an answer is there within 5 seconds also when the store hangs."""

HAND_OVER_SECONDS = 0.5
"""How long an answer waits until others are told of what waits; they find it by themselves otherwise."""

LOOK_AGAIN_SECONDS = 5.0
"""How often a store is asked that has been away for longer than anybody insists."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What is to wait: `items` made of their reservations, the `operations` that write them down, and what each item
    becomes when it is called off.
    """

    items: Callable[[Sequence[Reservation | None]], list[Item]]
    operations: Callable[[Sequence[Item]], Sequence[Operation]]
    called_off: Callable[[Item], Item]


@dataclass(frozen=True, kw_only=True)
class SetWaiting:
    """One commit sets the points aside and writes everything down; after it nothing can fail.

    Its answer may be lost. Then the store is asked what became of it, and when it does not say that in time either, the
    caller is told that it came to nothing, and that is made true as soon as the store is back.
    A process that dies before leaves the items waiting, if the store was still in time to take them.
    """

    book: TaskBook
    trial: Trial
    announce: Announce
    paid_calls: PaidCalls

    async def __call__(self, caller: Caller, task: Task, price: str, count: int, waiting: Waiting) -> list[Item]:
        """The items, which wait from now on.

        Raises `TrialRefused`, `CommitRefused` of a condition of the operations, and `StoreUnavailable`.
        """
        permit = Permit(key_values=self.book.key_values, key=permit_key(task.owner, task.id, new_id()))
        items = list[Item]()

        def along_with(reservations: Sequence[Reservation | None]) -> Sequence[Operation]:
            items[:] = waiting.items(reservations)
            return [permit.use, *waiting.operations(items)]

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await permit.take()
                await self._commit(caller, price, count, along_with, permit)
        except (StoreUnavailable, TimeoutError) as error:
            if items:  # else nothing was asked for
                await self.paid_calls.go_on(self._call_off(task, items, waiting, permit))
            raise StoreUnavailable("key value store") from error
        return items

    async def _commit(
        self,
        caller: Caller,
        price: str,
        count: int,
        along_with: Callable[[Sequence[Reservation | None]], Sequence[Operation]],
        permit: Permit,
    ) -> None:
        """Raises `StoreUnavailable` when nothing was done, or nobody can say."""
        try:
            await self.trial.set_aside(
                caller.owner,
                price,
                count=count,
                own_key=caller.api_key is not None,
                held_for=UNFINISHED_SECONDS,
                along_with=along_with,
            )
        except CommitRefused as refused:
            if refused.operation == permit.use:  # the store was too slow
                raise StoreUnavailable("key value store") from refused
            raise
        except StoreUnavailable:
            if not await permit.was_used():
                raise

    async def _call_off(self, task: Task, items: Sequence[Item], waiting: Waiting, permit: Permit) -> None:
        """Once the store is back, see to it that nothing of this waits."""
        if not await _at_last(permit.was_used):
            return
        logger.warning("a task is called off: its client was told that it came to nothing", extra={"task": task.id})
        ended = [await self._end(task, item, waiting.called_off(item)) for item in items]
        await self.announce(task, *filter(None, ended))

    async def _end(self, task: Task, item: Item, ended: Item) -> Item | None:
        """None when it was begun before."""
        operations = self.book.moves.ending(task.item_name(item.index), ended, encode(item))
        try:
            await _at_last(lambda: self.trial.give_back(item.reservation, along_with=operations))
        except CommitRefused as refused:
            if refused.current != encode(ended):  # else by an earlier try whose answer was lost
                return None
        return ended


async def _at_last(write: Callable[[], Awaitable[T]]) -> T:
    """What `write` returns once the store is back, however long that takes; `write` is as `insist` wants it."""
    while True:
        try:
            return await insist(write)
        except StoreUnavailable:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
