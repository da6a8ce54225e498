"""What tasks need from outside: a queue that carries names to workers, and a board on which events are posted."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from nano_banana_lab.core.shared.errors import LabError


class QueueUnavailable(LabError):
    """The queue, or the board of events, is unreachable or does not answer in time. Afterwards anything may have been done."""

    code = "service_unavailable"
    sentence = "The task queue is not available right now; please try again shortly."


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a queue is: names that wait, names that are being run, and workers that gave a sign of life just now.

    What a dead worker left counts as being run until it is delivered anew. A worker that was cancelled no longer counts.
    """

    waiting: int
    running: int
    workers: int


class TaskQueue(Protocol):
    """Carries names from whoever submits them to whichever worker has room, in this process or in another.

    It only delivers names of 1 to 200 characters of printable ASCII; what a name stands for, and how far that has come,
    is kept elsewhere. So a queue that forgets everything loses nothing: whoever knows what is unfinished submits it again.
    MUST: a submitted name is delivered at least once, also when the worker that had it dies: then within 30 seconds
    of a living worker having room for it (unless the queue lives in the memory of that very process).
    MUST NOT deliver a name that waits already or is being run by a worker that is alive, however long that takes
    and whatever happens to the queue meanwhile; save that a queue which lost everything knows no other process's runs.
    MUST: once a run has ended and been recorded, which `state` shows, the same name can be submitted again at once.
    Within its own run it still counts as being run: whoever wants it again by then takes another name.
    """

    async def submit(self, names: Sequence[str]) -> None:
        """Line the names up behind what waits already. One that waits or is being run stays as it is.

        Raises ValueError, and lines up nothing, when one of them is no name (`check_task_names`).
        Raises `QueueUnavailable` within 5 seconds; then some of the names may be lined up.
        """
        ...

    async def work(self, run: Callable[[str], Awaitable[None]], *, concurrency: int) -> None:
        """Run what is delivered, up to `concurrency` names at once, until cancelled; survives every outage of the queue.

        Takes names in the order in which they were submitted. A `run` that raises is logged, and its name is done all the same.
        When cancelled it takes nothing more, waits for the runs under way and then ends as cancelled.
        Cancelled again, it cancels them; their names are delivered anew, as after a death.
        Any number of workers share the names, in one process or in many.
        """
        ...

    async def state(self) -> QueueState:
        """How busy it is. Raises `QueueUnavailable` within 5 seconds."""
        ...


def check_task_names(names: Sequence[str]) -> None:
    """Raise ValueError unless each of them has 1 to 200 characters of printable ASCII."""
    for name in names:
        if not (1 <= len(name) <= 200 and name.isascii() and name.isprintable()):
            raise ValueError("a task's name must have 1 to 200 characters of printable ASCII")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. `id` is unique in its channel; `data` is JSON."""

    id: str
    name: str
    data: bytes


class EventBus(Protocol):
    """Posts events by channel, for readers in every process of the lab, who come late, go away and come back.

    MUST: all readers of a channel see all of its events in the same order, each once.
    MUST: a reader that is slow, or gone, neither holds up nor costs anything but its own reading.
    MUST: data is read back byte for byte; it is the business of those who post and read that it is JSON.
    Channels, and the names of events, are names as in `KeyValueStore`.
    """

    async def publish(
        self, channel: str, events: Sequence[tuple[str, bytes]], *, ttl: float, if_empty: bool | None = None
    ) -> list[str]:
        """Post events, each a name and its data, in this order and next to each other; their ids, which only ever grow.

        The channel is forgotten `ttl` seconds after its last event, whatever earlier ones were given.
        Ids grow also beyond that, and beyond a restart. Posting no events does nothing, and does not prolong a channel.
        `if_empty` True posts only where no event is (any more), False only where some are; else it does nothing, and there are no ids.
        MUST: that is judged and done in one step, so of all who begin a channel at once one does.
        Raises ValueError for more than 1000 events, a bad name or a bad `ttl`, and then nothing is posted.
        Raises `QueueUnavailable` within 5 seconds; then they may have been posted.
        """
        ...

    async def read(self, channel: str, *, after: str | None = None, wait: float = 0, limit: int = 100) -> list[Event]:
        """Up to `limit` (1..1000) events, oldest first: those behind the id `after`, whether it is there (any more) or not.

        While there are none, waits up to `wait` seconds for the first one, and returns at once when it is posted;
        empty when none came.
        Raises ValueError for an `after` that `is_event_id` rejects, a bad name or another `limit`,
        and `QueueUnavailable` within 5 seconds of an outage, also while it waits.
        """
        ...


def is_event_id(text: str) -> bool:
    """Whether `text` has the form of an id: milliseconds since the epoch and a number, joined by `-`, as in Redis Streams."""
    milliseconds, dash, number = text.partition("-")
    return all(
        part.isascii() and part.isdecimal() and len(part) <= 19 and int(part) < 2**63 for part in (milliseconds, number)
    ) and bool(dash)
