"""Hand items of a task to the queue."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from nano_banana_lab.core.tasks.ports import QueueUnavailable, TaskQueue
from nano_banana_lab.core.tasks.task import Task
from nano_banana_lab.core.tasks.task_book import TaskBook

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """The items are written down as waiting already, so nothing is lost when the queue is away."""

    book: TaskBook
    queue: TaskQueue

    async def __call__(self, task: Task, items: Iterable[int]) -> None:
        """Never fails: while the queue is away they wait for the next look at what waits too long."""
        try:
            await self.queue.submit([str(self.book.name(task, index)) for index in items])
        except QueueUnavailable:
            logger.warning("the items of a task are lined up later", extra={"task": task.id})
