"""Hand items of a task to the queue."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.ports import QueueUnavailable, TaskQueue
from nano_banana_lab.core.tasks.task import Task
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.turns import Turns

FIRST: Mapping[int, int] = MappingProxyType({})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """The items are written down as waiting already, so nothing is lost when the queue, or the store, is away."""

    book: TaskBook
    queue: TaskQueue
    turns: Turns

    async def __call__(self, task: Task, items: Iterable[int], attempts: Mapping[int, int] = FIRST) -> None:
        """`attempts` says which attempt of an item it is, where it is not the first.

        Never fails: while something is away they wait for the next look at what waits too long.
        """
        tickets = [task.item_name(index).ticket(attempts.get(index, 1)) for index in items]
        try:
            await self.turns.enter([task.owner])
            await self.queue.submit(tickets)
        except (QueueUnavailable, StoreUnavailable):
            logger.warning("the items of a task are lined up later", extra={"task": task.id})
