"""Stop a task."""

from dataclasses import dataclass

from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.cancel_item import CancelItem
from nano_banana_lab.core.tasks.task import ItemStatus, Progress, TaskFinished
from nano_banana_lab.core.tasks.task_book import TaskBook


@dataclass(frozen=True, kw_only=True)
class CancelTask:
    """What waits is cancelled and its points are given back; what is being made is finished and kept.

    What has been begun and comes to wait again, because the model was not asked for it, is cancelled then (`BeginItem`).
    """

    book: TaskBook
    cancel_item: CancelItem
    announce: Announce

    async def __call__(self, owner: OwnerId, id: str) -> Progress:
        """The task as it stands then. Raises `TaskNotFound`, `TaskFinished` and `StoreUnavailable`."""
        task = await self.book.task(owner, id)
        # First: whoever puts an item back afterwards sees it, and what was put back before is found below.
        await self.book.key_values.commit(*self.book.moves.cancelling(task))
        items = await self.book.items(task)
        if all(item.status.is_final for item, _ in items):
            raise TaskFinished
        waiting = [(item, kept_as) for item, kept_as in items if item.status is ItemStatus.QUEUED]
        cancelled = [await self.cancel_item(task, item, kept_as) for item, kept_as in waiting]
        await self.announce(task, *filter(None, cancelled))
        return await self.book.progress(owner, id)
