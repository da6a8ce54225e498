"""Try again what failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import KeySealer
from nano_banana_lab.core.quota.modes import quota_mode_of
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Progress, Task, TaskFinished, TaskRunning
from nano_banana_lab.core.tasks.task_book import UNFINISHED_SECONDS, TaskBook

AGAIN = (ItemStatus.FAILED, ItemStatus.INTERRUPTED)

Found = tuple[Item, bytes]
"""An item, and what it is kept as."""


@dataclass(frozen=True, kw_only=True)
class RetryTask:
    """The failed and interrupted items wait again, paid for anew by whoever asks: with points, or with a key of their own."""

    models: ImageModels
    book: TaskBook
    trial: Trial
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
        again = _to_try_again(await self.book.items(task))
        settings, card = again[0][0].commission.settings, self.models.paid_by(caller.api_key).card
        for item, _ in again:
            item.commission.check(card)
        sealed = self.sealer.seal(caller.api_key, context=task.id) if caller.api_key else b""
        announced = await self.book.announced(task)

        def reopening(reservations: Sequence[Reservation | None]) -> Sequence[Operation]:
            paid = zip(again, reservations, strict=True)
            changes = [(_waiting(item, reservation), kept_as) for (item, kept_as), reservation in paid]
            return self.book.reopening(task, changes, sealed, announced=announced)

        try:
            await self.trial.set_aside(
                caller.owner,
                quota_mode_of(task.mode, settings.resolution),
                count=len(again),
                own_key=caller.api_key is not None,
                held_for=UNFINISHED_SECONDS,
                along_with=reopening,
            )
        except CommitRefused:  # not closed yet, or somebody else was quicker
            raise TaskRunning from None
        await self.announce(task, *(_waiting(item, None) for item, _ in again))
        attempts = {item.index: item.attempt + 1 for item, _ in again}
        await self.line_up(task, attempts, attempts)
        return await self.book.progress(task.owner, task.id)


def _to_try_again(items: Sequence[Found]) -> list[Found]:
    if not all(item.status.is_final for item, _ in items):
        raise TaskRunning
    again = [(item, kept_as) for item, kept_as in items if item.status in AGAIN]
    if not again:
        raise TaskFinished
    return again


def _waiting(item: Item, reservation: Reservation | None) -> Item:
    return Item(index=item.index, commission=item.commission, attempt=item.attempt + 1, reservation=reservation)
