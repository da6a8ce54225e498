"""How much one owner may have the lab keep of tasks, so that nobody fills the store for all."""

import asyncio

from nano_banana_lab.core.shared.errors import TooMuch
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.task_book import TaskBook

MOST_TASKS = 1000
"""How many tasks are kept of one owner, finished ones among them until they are forgotten."""

MOST_WAITING = 2000
"""From how many waiting items on an owner's next task is refused."""


class TooManyTasks(TooMuch):
    """The owner has as many tasks as are kept. Details: `most`. `retry_after` is in seconds."""

    sentence = "At most {most} tasks are kept for you; please try again when the oldest ones have been forgotten."
    retry_after = 600


class TooMuchWaiting(TooMuch):
    """Too many pictures of the owner wait to be made. Details: `most`. `retry_after` is in seconds."""

    sentence = "You have {most} pictures or more waiting; please wait until some of them are made, or cancel a task."
    retry_after = 60


async def check_room(book: TaskBook, owner: OwnerId) -> None:
    """Raise `TooManyTasks` or `TooMuchWaiting` when the owner cannot have another task now; raises `StoreUnavailable`.

    Two counts that cost the same however much there is. Nothing is locked: requests at the same time may all pass, so
    what is there may exceed the limits by what they bring.
    """
    kept, waiting = await asyncio.gather(book.kept(owner), book.waiting(owner))
    if kept >= MOST_TASKS:
        raise TooManyTasks(most=MOST_TASKS)
    if waiting >= MOST_WAITING:
        raise TooMuchWaiting(most=MOST_WAITING)
