"""A task: some pictures that are made without anybody waiting at the other end."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.quota.reservation import Reservation
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.keys import ItemName

T = TypeVar("T")

logger = logging.getLogger(__name__)


class TaskNotFound(LabError):
    """The owner has no task with this id, or it has expired."""

    code = "task_not_found"
    sentence = "There is no such task, or it has expired."


class TaskFinished(LabError):
    """Everything in the task has come to its end, so there is nothing left to cancel, or to try again."""

    code = "task_finished"
    sentence = "This task is finished already."


class TaskRunning(LabError):
    """Something in the task is still to come. `retry_after` is in seconds."""

    code = "task_running"
    sentence = "This task is still running; please wait until it is finished."
    retry_after = 5


class ItemStatus(StrEnum):
    """How far one picture of a task has come."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self not in (ItemStatus.QUEUED, ItemStatus.PROCESSING)


class TaskStatus(StrEnum):
    """How far all of them have come together."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item came to nothing: an error of the family of `LabError`, which can be told in any language later."""

    code: str
    sentence: str
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, error: LabError) -> "Failure":
        """What is kept of the error."""
        return cls(code=error.code, sentence=error.sentence, details=error.details)


class Interrupted(LabError):
    """The process died, or was stopped, while the model was at work."""

    code = "interrupted"
    sentence = "The process was stopped while this picture was being made; nothing was charged, and you can try again."


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How far an item has come; all of it that is read where thousands are counted and none is told."""

    status: ItemStatus = ItemStatus.QUEUED
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Item(Stage, frozen=True, kw_only=True):
    """One picture of a task. `attempt` counts from 1 and grows with each retry, never by itself.

    `refusals` is how often it was put off because Google counts too many calls.
    `since` is when this attempt came, None in what an earlier version kept.
    `reservation` is what pays for it, None where nothing is counted.
    `run` names who is making it, or was the last one about to, no two alike: so what waits again is not what waited before.
    Once it is `completed` it has a `picture_id`, once `failed` or `interrupted` a `failure`.
    """

    index: int
    commission: Commission
    attempt: int = 1
    since: datetime | None = None
    refusals: int = 0
    reservation: Reservation | None = None
    run: str = ""
    picture_id: str | None = None
    failure: Failure | None = None
    schema: int = 1


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What never changes of a task; how far it has come stands in its items."""

    id: str
    owner: OwnerId
    mode: Mode
    total: int
    created_at: datetime
    schema: int = 1

    def item_name(self, index: int) -> ItemName:
        """The name of one of its items."""
        return ItemName(self.owner, self.id, index)


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands now, without what its items are about."""

    task: Task
    items: tuple[Stage, ...]

    @property
    def finished(self) -> int:
        """How many items have come to their end, a good one or not."""
        return sum(item.status.is_final for item in self.items)

    @property
    def status(self) -> TaskStatus:
        """At the end: completed when at least one picture came of it, else cancelled when its owner stopped it, else failed."""
        return status_of([item.status for item in self.items])

    @property
    def started_at(self) -> datetime | None:
        """When the first item was begun."""
        return min((item.started_at for item in self.items if item.started_at), default=None)

    @property
    def completed_at(self) -> datetime | None:
        """When the last item ended, once all have."""
        if self.finished < len(self.items):
            return None
        return max((item.finished_at for item in self.items if item.finished_at), default=None)

    @property
    def making(self) -> int | None:
        """The first item that is being made."""
        return next((at for at, item in enumerate(self.items) if item.status is ItemStatus.PROCESSING), None)


class Progress(Outline, frozen=True, kw_only=True):
    """A task as it stands now."""

    items: tuple[Item, ...]


def status_of(items: Sequence[ItemStatus]) -> TaskStatus:
    """What the statuses of all items of a task come to."""
    found = set(items)
    if found == {ItemStatus.QUEUED}:
        return TaskStatus.QUEUED
    if not all(status.is_final for status in found):
        return TaskStatus.PROCESSING
    if ItemStatus.COMPLETED in found:
        return TaskStatus.COMPLETED
    return TaskStatus.CANCELLED if ItemStatus.CANCELLED in found else TaskStatus.FAILED


_items = msgspec.json.Decoder(Item)
_stages = msgspec.json.Decoder(Stage)
_tasks = msgspec.json.Decoder(Task)


def encode(kept: Task | Item) -> bytes:
    """As JSON, for the key-value store."""
    return msgspec.json.encode(kept)


def decode_item(value: bytes) -> Item:
    """The inverse of `encode`. Raises `msgspec.DecodeError` for anything else."""
    return _items.decode(value)


def decode_stage(value: bytes) -> Stage:
    """How far the item has come that `encode` made this of. Raises `msgspec.DecodeError` for anything else."""
    return _stages.decode(value)


def decode_task(value: bytes) -> Task:
    """The inverse of `encode`. Raises `msgspec.DecodeError` for anything else."""
    return _tasks.decode(value)


def readable(decode: Callable[[bytes], T], value: bytes, key: str) -> T | None:
    """What `decode` makes of the value under `key`; None for what another version kept, which is no matter of this one's."""
    try:
        return decode(value)
    except msgspec.DecodeError:
        _tell_once(key)
        return None


@lru_cache(maxsize=1000)
def _tell_once(key: str) -> None:
    logger.warning("what another version kept is left to it", extra={"key": key})
