"""Try again what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import KeySealer
from nano_banana_lab.core.quota.modes import quota_mode_of
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.shared.clock import from_milliseconds, milliseconds
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.set_waiting import HAND_OVER_SECONDS, SetWaiting, Waiting
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Progress, Task, TaskFinished, TaskRunning
from nano_banana_lab.core.tasks.task_book import TaskBook

AGAIN = (ItemStatus.FAILED, ItemStatus.INTERRUPTED)

Found = tuple[Item, bytes]
"""An item, and what it is kept as."""


@dataclass(frozen=True, kw_only=True)
class RetryTask:
    """The failed and interrupted items wait again, paid for anew by whoever asks: with points, or with a key of their own.

    What could not be written down in time is put back as it was.
    """

    models: ImageModels
    book: TaskBook
    set_waiting: SetWaiting
    sealer: KeySealer
    announce: Announce
    line_up: LineUp
    paid_calls: PaidCalls

    async def __call__(self, caller: Caller, id: str) -> Progress:
        """The task as it stands then.

        Raises `TaskNotFound`, `TaskRunning` unless everything has come to its end, `TaskFinished` when nothing failed,
        `ValidationFailed` for what the model does not offer (any more),
        `TrialRefused`, `ShuttingDown` and `StoreUnavailable`.
        """
        return await self.paid_calls.run(self._retry(caller, await self.book.task(caller.owner, id)))

    async def _retry(self, caller: Caller, task: Task) -> Progress:
        found = await self.book.items(task)
        again = _to_try_again(found)
        settings, card = again[0][0].commission.settings, self.models.paid_by(caller.api_key).card
        for item, _ in again:
            item.commission.check(card)
        price = quota_mode_of(task.mode, settings.resolution)
        waiting = self._waiting(caller, task, again, await self.book.announced(task))
        try:
            items = await self.set_waiting(caller, task, price, len(again), waiting)
        except CommitRefused:  # not closed yet, or somebody else was quicker
            raise TaskRunning from None
        await self.paid_calls.go_on(self._hand_over(task, items), wait=HAND_OVER_SECONDS)
        changed = {item.index: item for item in items}
        return Progress(task=task, items=tuple([changed.get(item.index, item) for item, _ in found]))

    def _waiting(self, caller: Caller, task: Task, again: Sequence[Found], announced: int) -> Waiting:
        sealed = self.sealer.seal(caller.api_key, context=task.id) if caller.api_key else b""
        before = {item.index: item for item, _ in again}
        now = from_milliseconds(milliseconds(self.book.clock.now()))

        def operations(items: Sequence[Item]) -> Sequence[Operation]:
            changes = [(item, kept_as) for item, (_, kept_as) in zip(items, again, strict=True)]
            return self.book.moves.reopening(task, changes, sealed, announced=announced)

        return Waiting(
            items=lambda reservations: [
                _waiting(item, now, paying) for item, paying in zip(before.values(), reservations, strict=True)
            ],
            operations=operations,
            called_off=lambda item: before[item.index],
        )

    async def _hand_over(self, task: Task, items: Sequence[Item]) -> None:
        await self.announce(task, *items)  # first: nobody can begin them, and tell of that, before they are lined up
        await self.line_up(task, items)


def _to_try_again(items: Sequence[Found]) -> list[Found]:
    if not all(item.status.is_final for item, _ in items):
        raise TaskRunning
    again = [(item, kept_as) for item, kept_as in items if item.status in AGAIN]
    if not again:
        raise TaskFinished
    return again


def _waiting(item: Item, now: datetime, reservation: Reservation | None) -> Item:
    attempt = item.attempt + 1
    return Item(index=item.index, commission=item.commission, attempt=attempt, since=now, reservation=reservation)
