"""Hand items of a task to the queue."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.ports import QueueUnavailable, TaskQueue
from nano_banana_lab.core.tasks.task import Item, Task
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.turns import Turns

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """The items are written down as waiting already, so nothing is lost when the queue, or the store, is away."""

    book: TaskBook
    queue: TaskQueue
    turns: Turns

    async def __call__(self, task: Task, items: Sequence[Item]) -> None:
        """From now on they may be begun, with any ticket.

        Never fails: while something is away they wait for the next look at what waits too long.
        """
        named = [(task.item_name(item.index), item) for item in items]
        tickets = [name.ticket(item.attempt) for name, item in named]
        try:
            await self.book.key_values.commit(*(self.book.moves.ready(name, item) for name, item in named))
            await self.turns.enter([task.owner])
            await self.queue.submit(tickets)
        except (QueueUnavailable, StoreUnavailable):
            logger.warning("the items of a task are lined up later", extra={"task": task.id})
