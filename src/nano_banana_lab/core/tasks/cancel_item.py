"""End one item that waits, because its owner does not want it any more."""

from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Task
from nano_banana_lab.core.tasks.task_book import TaskBook


@dataclass(frozen=True, kw_only=True)
class CancelItem:
    """Its points are given back in the same step; whoever has it cancelled announces that."""

    book: TaskBook
    trial: Trial
    clock: Clock

    async def __call__(self, task: Task, item: Item, kept_as: bytes) -> Item | None:
        """The item, which is cancelled; None when it is not `kept_as` any more. Raises `StoreUnavailable`."""
        now = from_milliseconds(milliseconds(self.clock.now()))
        ended = msgspec.structs.replace(item, status=ItemStatus.CANCELLED, finished_at=now)
        operations = self.book.moves.ending(task.item_name(item.index), ended, kept_as)
        try:
            await self.trial.give_back(item.reservation, along_with=operations)
        except CommitRefused:
            return None
        return ended
