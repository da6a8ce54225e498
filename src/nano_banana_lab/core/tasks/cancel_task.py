"""Stop a task."""

from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.task import Item, ItemStatus, Progress, Task, TaskFinished
from nano_banana_lab.core.tasks.task_book import TaskBook


@dataclass(frozen=True, kw_only=True)
class CancelTask:
    """What waits is cancelled and its points are given back; what is being made is finished and kept."""

    book: TaskBook
    trial: Trial
    announce: Announce
    clock: Clock

    async def __call__(self, owner: OwnerId, id: str) -> Progress:
        """The task as it stands then. Raises `TaskNotFound`, `TaskFinished` and `StoreUnavailable`."""
        task = await self.book.task(owner, id)
        items = await self.book.items(task)
        if all(item.status.is_final for item, _ in items):
            raise TaskFinished
        waiting = [(item, kept_as) for item, kept_as in items if item.status is ItemStatus.QUEUED]
        cancelled = [await self._cancelled(task, item, kept_as) for item, kept_as in waiting]
        await self.announce(task, *filter(None, cancelled))
        return await self.book.progress(owner, id)

    async def _cancelled(self, task: Task, item: Item, kept_as: bytes) -> Item | None:
        """None when it has been begun since it was read."""
        now = from_milliseconds(milliseconds(self.clock.now()))
        ended = msgspec.structs.replace(item, status=ItemStatus.CANCELLED, finished_at=now)
        operations = self.book.moves.ending(task.item_name(item.index), ended, kept_as)
        try:
            await self.trial.give_back(item.reservation, along_with=operations)
        except CommitRefused:
            return None
        return ended
