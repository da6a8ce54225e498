"""Let items of a task wait, paid for: all of them, or none."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.insist import at_last
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.permit import Permit
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import ItemName, permit_key
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task, decode_item, encode, readable
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import UNFINISHED_SECONDS

ANSWER_SECONDS = 4.3
"""By then it is told what became of it, so that an answer is there within 5 seconds also when the store hangs."""

HAND_OVER_SECONDS = 0.5
"""How long an answer waits until others are told of what waits; they find it by themselves otherwise."""

LOOK_AGAIN_SECONDS = 5.0
"""How often it is looked at what is being made although it was to be called off: it may be put back."""

CUT_OFF_SECONDS = 3
"""How long a process that is being stopped takes to call off what it did not see the end of."""

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
        except asyncio.CancelledError:  # the process is being stopped, and the caller told that it came to nothing
            if items:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CUT_OFF_SECONDS):
                        await self._call_off(task, items, waiting, permit)
            raise
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
        """Once the store is back, see to it that nothing of this waits, or comes to wait again."""
        if not await at_last(permit.was_used):
            return
        logger.warning("a task is called off: its client was told that it came to nothing", extra={"task": task.id})
        left = list(items)
        while left:
            looked_at = [(item, await self._end(task, item, waiting.called_off(item))) for item in left]
            await self.announce(task, *(ended for _, ended in looked_at if ended and ended.status.is_final))
            left = [item for item, now in looked_at if now and not now.status.is_final]
            if left:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _end(self, task: Task, item: Item, ended: Item) -> Item | None:
        """What has become of it: `ended`, or still being made; None when it came to its end otherwise."""
        name = task.item_name(item.index)
        while True:
            kept_as = await at_last(lambda: self.book.key_values.get(name.key))
            now = kept_as and readable(decode_item, kept_as, name.key)
            if not kept_as or not now or now.attempt != item.attempt or now.status.is_final:
                return None
            if now.status is ItemStatus.PROCESSING:
                return now
            if await self._ended(name, ended, kept_as, item.reservation):
                return ended

    async def _ended(self, name: ItemName, ended: Item, kept_as: bytes, reservation: Reservation | None) -> bool:
        """False when it is not `kept_as` any more."""
        operations = self.book.moves.ending(name, ended, kept_as)
        try:
            await at_last(lambda: self.trial.give_back(reservation, along_with=operations))
        except CommitRefused as refused:
            return refused.current == encode(ended)  # by an earlier try whose answer was lost
        return True
