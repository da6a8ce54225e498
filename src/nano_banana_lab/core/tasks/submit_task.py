"""Take on pictures that are to be made when there is time for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import KeySealer
from nano_banana_lab.core.quota.modes import quota_mode_of
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.core.tasks.limits import check_room
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.set_waiting import HAND_OVER_SECONDS, SetWaiting, Waiting
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task
from nano_banana_lab.core.tasks.task_book import TaskBook


def batch_of(prompts: Sequence[str], settings: ImageSettings, *, most: int) -> list[Commission]:
    """One picture for each prompt. Raises `ValidationFailed` for a bad prompt, or unless there are 1 to `most`."""
    if not prompts:
        raise ValidationFailed.of("prompts", "too_few", least=1)
    if len(prompts) > most:
        raise ValidationFailed.of("prompts", "too_many", most=most)
    made = [generate_image(each, settings, field=f"prompts.{number}") for number, each in enumerate(prompts)]
    return [msgspec.structs.replace(commission, mode=Mode.BATCH) for commission in made]


@dataclass(frozen=True, kw_only=True)
class SubmitTask:
    """Sets the points for all pictures aside and writes everything down in one commit, then lines the items up.

    What could not be written down in time is not made later either; at most its task is listed as cancelled.
    """

    models: ImageModels
    trial: Trial
    stores: StoreWatch
    hold_pictures: HoldPictures
    book: TaskBook
    set_waiting: SetWaiting
    announce: Announce
    line_up: LineUp
    sealer: KeySealer
    paid_calls: PaidCalls
    clock: Clock

    async def __call__(self, caller: Caller, commissions: Sequence[Commission]) -> Task:
        """A task with one item for each commission, all of one mode and with the same settings.

        Raises `ValidationFailed` for what the model does not offer, `TrialRefused` when the points of all of them are
        not there, what `check_room` and `HoldPictures` raise, `ShuttingDown`, and `StoreUnavailable`.
        """
        card = self.models.paid_by(caller.api_key).card
        for commission in commissions:
            commission.check(card)
        return await self.paid_calls.run(self._submit(caller, commissions))

    async def _submit(self, caller: Caller, commissions: Sequence[Commission]) -> Task:
        await self.stores.require()
        mode, own_key = commissions[0].mode, caller.api_key is not None
        price = quota_mode_of(mode, commissions[0].settings.resolution)
        # Both before pictures are decoded.
        await check_room(self.book, caller.owner)
        await self.trial.check(caller.owner, price, count=len(commissions), own_key=own_key)
        task = Task(id=new_id(), owner=caller.owner, mode=mode, total=len(commissions), created_at=self._now())
        held = await self.hold_pictures(caller.owner, task.id, commissions)
        items = await self.set_waiting(caller, task, price, task.total, self._waiting(caller, task, held))
        await self.paid_calls.go_on(self._hand_over(task, items), wait=HAND_OVER_SECONDS)
        return task

    def _waiting(self, caller: Caller, task: Task, held: Sequence[Commission]) -> Waiting:
        sealed = self.sealer.seal(caller.api_key, context=task.id) if caller.api_key else b""
        return Waiting(
            items=lambda reservations: _items(task, held, reservations),
            operations=lambda items: self.book.moves.opening(task, items, sealed),
            called_off=self._cancelled,
        )

    async def _hand_over(self, task: Task, items: Sequence[Item]) -> None:
        await self.announce.begun(task)
        await self.line_up(task, items)

    def _cancelled(self, item: Item) -> Item:
        return msgspec.structs.replace(item, status=ItemStatus.CANCELLED, finished_at=self._now())

    def _now(self) -> datetime:
        return from_milliseconds(milliseconds(self.clock.now()))


def _items(task: Task, commissions: Sequence[Commission], reservations: Sequence[Reservation | None]) -> list[Item]:
    paid = zip(commissions, reservations, strict=True)
    return [
        Item(index=at, commission=commission, since=task.created_at, reservation=paying)
        for at, (commission, paying) in enumerate(paid)
    ]
