"""What a client is told of a task, event by event: the same for everybody who has read as far, from whatever process."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from litestar.response import ServerSentEventMessage

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.tasks.announce import BEGUN, ITEM, Begun, ItemChanged
from nano_banana_lab.core.tasks.ports import Event, is_event_id
from nano_banana_lab.core.tasks.task import ItemStatus, Task, TaskStatus, status_of
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.http.messages import Language
from nano_banana_lab.http.task_bodies import ItemBody, TaskView

LAST_EVENT_ID = "Last-Event-ID"

THE_END = 2
"""The part of an event of the bus that tells the end; before it an item is part 0, and progress 1."""

_PARTS = [str(part) for part in range(THE_END + 1)]


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something stands in the stream. One event of the bus may be told as several, its parts."""

    milliseconds: int = -1
    number: int = 0
    part: int = 0

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}.{self.part}"

    @classmethod
    def of(cls, event_id: str, part: int = 0) -> "Place":
        """The place of one part of an event."""
        milliseconds, _, number = event_id.partition("-")
        return cls(int(milliseconds), int(number), part)

    @property
    def of_the_end(self) -> "Place":
        """Where the end stands for who has read as far as this and no event behind it is known."""
        return msgspec.structs.replace(self, part=THE_END)

    @classmethod
    def read(cls, sent: str) -> "Place":
        """What a client sends as `Last-Event-ID`; before everything when it sends none. Raises `ValidationFailed`."""
        if not sent:
            return cls()
        event_id, _, part = sent.partition(".")
        if not is_event_id(event_id) or part not in _PARTS:
            raise ValidationFailed.of(LAST_EVENT_ID, "bad_cursor")
        return cls.of(event_id, int(part))


class ProgressBody(msgspec.Struct, kw_only=True):
    """The data of an event `progress`: how far the task has come."""

    task_id: str
    status: TaskStatus
    progress: int
    total: int
    current_prompt: str | None


class Count(NamedTuple):
    """How far a task has come; `making` is the first item that is being made."""

    status: TaskStatus
    finished: int
    making: int | None


class Statuses:
    """Those of all items, a word for each, counted as they change."""

    def __init__(self, statuses: Iterable[ItemStatus]) -> None:
        self._each = list(statuses)
        self._how_many = Counter(self._each)
        self._making = {at for at, status in enumerate(self._each) if status is ItemStatus.PROCESSING}

    def change(self, index: int, status: ItemStatus) -> None:
        """What the item is from now on."""
        self._how_many[self._each[index]] -= 1
        self._how_many[status] += 1
        self._each[index] = status
        (self._making.add if status is ItemStatus.PROCESSING else self._making.discard)(index)

    def count(self) -> Count:
        """What they come to."""
        found = [status for status, number in self._how_many.items() if number]
        finished = sum(self._how_many[status] for status in found if status.is_final)
        return Count(status_of(found), finished, min(self._making, default=None))


@dataclass(kw_only=True)
class TaskStory:
    """Turns the events of the bus, from the first one on, into what a client is told: `item` and `progress`.

    Progress is counted from the events themselves, so it never goes back, except when items are tried again.
    Of the items only the statuses are held; the rest of one is read when there is something to tell of it.
    """

    task: Task
    book: TaskBook
    view: TaskView
    language: Language
    _statuses: Statuses = field(init=False)
    _told: Count | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._statuses = Statuses(Begun().statuses(self.task.total))

    async def told(self, event: Event, after: Place) -> AsyncIterator[ServerSentEventMessage]:
        """What is told of this event, as far as it stands behind `after`. Raises `TaskNotFound` and `StoreUnavailable`."""
        if event.name == ITEM:
            change = msgspec.json.decode(event.data, type=ItemChanged)
            self._statuses.change(change.index, change.status)
            if (place := Place.of(event.id, 0)) > after:
                yield message(place, "item", await self._item(change))
        elif event.name == BEGUN:
            begun = msgspec.json.decode(event.data, type=Begun)
            self._statuses = Statuses(begun.statuses(self.task.total))
        else:
            return
        if (now := self._statuses.count()) != self._told:
            self._told = now
            if (place := Place.of(event.id, 1)) > after:
                yield message(place, "progress", await self._progress(now))

    async def _item(self, change: ItemChanged) -> ItemBody:
        item = msgspec.structs.replace(
            await self.book.item(self.task, change.index),
            status=change.status,
            picture_id=change.picture_id,
            failure=change.failure,
        )
        [body] = await self.view.items(self.task.owner, [item], self.language)
        return body

    async def _progress(self, now: Count) -> ProgressBody:
        making = None if now.making is None else await self.book.item(self.task, now.making)
        return ProgressBody(
            task_id=self.task.id,
            status=now.status,
            progress=now.finished,
            total=self.task.total,
            current_prompt=making.commission.prompt if making else None,
        )


def message(place: Place, name: str, data: Any) -> ServerSentEventMessage:
    """An event with JSON in it."""
    return ServerSentEventMessage(id=str(place), event=name, data=msgspec.json.encode(data))


class Piece(ServerSentEventMessage):
    """A piece of an event, sent as it is."""

    def encode(self) -> bytes:
        """The bytes it was made of."""
        assert isinstance(self.data, bytes)
        return self.data


async def in_pieces(place: Place, name: str, data: AsyncIterator[bytes]) -> AsyncIterator[Piece]:
    """An event with JSON on one line in it that is never whole in memory.

    The id comes last: who reads no further than the middle has not read this event, and comes back for it.
    """
    yield Piece(f"event: {name}\r\ndata: ".encode())
    async for piece in data:
        yield Piece(piece)
    yield Piece(f"\r\nid: {place}\r\n\r\n".encode())
