"""Where tasks are kept."""

import msgspec

from nano_banana_lab.core.shared.ids import OwnerId

QUEUED = "tasks/queued"
"""Index of the names of items that wait, by when the queue is told of them once more (milliseconds)."""

TURNS = "tasks/turns"
"""Index of the owners of items that wait, by when their last turn was, or they came (milliseconds)."""

RUNNING = "tasks/running"
"""Index of the names of items that are being made, by when their process must have given a sign of life (milliseconds)."""

OPEN = "tasks/open"
"""Index of the tasks, as `task_member` names them, that are not closed, by when they were opened (milliseconds)."""

INPUTS = "tasks/"
"""The blobs that tasks hold for their items are under this prefix."""

LEFTOVERS = "tasks/leftovers"
"""Index of tasks with blobs of their own, by when these may go."""


class ItemName(msgspec.Struct, frozen=True):
    """Which item of which task; as text it is a member of the indexes."""

    owner: OwnerId
    task: str
    index: int

    def __str__(self) -> str:
        return f"{self.owner}/{self.task}/{self.index}"

    @classmethod
    def read(cls, text: str) -> "ItemName":
        """The inverse. Raises ValueError for any other text."""
        owner, task, index = text.split("/")
        return cls(OwnerId(owner), task, int(index))

    def ticket(self, attempt: int, *, other: bool = False) -> str:
        """What the queue carries: another text for each attempt, for the run of the one before may not be over there.

        There is an `other` text for the same, for somebody else's item may be made with the ticket.
        """
        return f"{self}/{'0' if other else ''}{attempt}"

    @classmethod
    def of_ticket(cls, text: str) -> "ItemName":
        """The item that a ticket was issued for. Raises ValueError for any other text."""
        name, _, attempt = text.rpartition("/")
        int(attempt)
        return cls.read(name)

    @property
    def key(self) -> str:
        """The value of the item."""
        return f"task/{self.owner}/{self.task}/item/{self.index}"


def task_key(owner: OwnerId, id: str) -> str:
    """The value of what never changes of a task."""
    return f"task/{owner}/{id}"


def open_key(owner: OwnerId, id: str) -> str:
    """The value that is there until the task is closed: the sealed key that pays for it, else empty."""
    return f"task/{owner}/{id}/open"


def cancelled_key(owner: OwnerId, id: str) -> str:
    """The value that is there, empty, once the owner has cancelled the task, until it is closed or tried again."""
    return f"task/{owner}/{id}/cancelled"


def permit_key(owner: OwnerId, id: str, attempt: str) -> str:
    """The permit of one attempt to let items of a task wait."""
    return f"task/{owner}/{id}/permit/{attempt}"


def announced_key(owner: OwnerId, id: str) -> str:
    """The counter `ends` of items whose end has been posted."""
    return f"task/{owner}/{id}/announced"


def tasks_index(owner: OwnerId) -> str:
    """An owner's tasks by when they were submitted (milliseconds)."""
    return f"task/{owner}/all"


def waiting_index(owner: OwnerId) -> str:
    """The names of an owner's items that wait, by from when on they may be begun (microseconds, so that all of a task differ).

    An entry says what to look at, the item's value whether it waits: one too many goes as soon as somebody looks.
    """
    return f"task/{owner}/waiting"


def turn_key(owner: OwnerId) -> str:
    """The value that is there, empty, while the owner is in `TURNS`."""
    return f"task/{owner}/turn"


def task_member(owner: OwnerId, id: str) -> str:
    """A task as a member of `OPEN` and of `LEFTOVERS`."""
    return f"{owner}/{id}"


def channel(owner: OwnerId, id: str) -> str:
    """Where the events of a task are posted."""
    return f"task/{owner}/{id}"


def input_key(owner: OwnerId, id: str, item: int, number: int) -> str:
    """The blob of a picture that came with the request."""
    return f"{INPUTS}{owner}/{id}/{item}-{number}"
