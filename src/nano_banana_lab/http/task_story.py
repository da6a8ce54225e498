"""What a client is told of a task, event by event: the same for everybody who has read as far, from whatever process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar.response import ServerSentEventMessage

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.tasks.announce import BEGUN, ITEM, ItemChanged
from nano_banana_lab.core.tasks.ports import Event, is_event_id
from nano_banana_lab.core.tasks.task import ItemStatus, Progress, TaskStatus, status_of
from nano_banana_lab.http.messages import Language
from nano_banana_lab.http.task_bodies import TaskView, current_prompt

LAST_EVENT_ID = "Last-Event-ID"


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

    @classmethod
    def read(cls, sent: str | None) -> "Place":
        """What a client sends as `Last-Event-ID`; before everything when it sends none. Raises `ValidationFailed`."""
        if not sent:
            return cls()
        event_id, _, part = sent.partition(".")
        if not is_event_id(event_id) or not (part.isascii() and part.isdecimal() and len(part) == 1):
            raise ValidationFailed.of(LAST_EVENT_ID, "bad_cursor")
        return cls.of(event_id, int(part))


class ProgressBody(msgspec.Struct, kw_only=True):
    """The data of an event `progress`: how far the task has come."""

    task_id: str
    status: TaskStatus
    progress: int
    total: int
    current_prompt: str | None


@dataclass(kw_only=True)
class TaskStory:
    """Turns the events of the bus, from the first one on, into what a client is told: `item` and `progress`.

    Progress is counted from the events themselves, so it never goes back, except when items are tried again.
    """

    start: Progress
    view: TaskView
    language: Language
    _statuses: list[ItemStatus] = field(init=False)
    _told: ProgressBody | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._statuses = [ItemStatus.QUEUED] * self.start.task.total

    def begin_in_the_middle(self) -> None:
        """The bus has forgotten how the task began, as one in memory does when its process ends."""
        self._statuses = [item.status for item in self.start.items]

    async def told(self, event: Event) -> AsyncIterator[tuple[Place, ServerSentEventMessage]]:
        """What is told of this event, each part with its place."""
        if event.name == ITEM:
            change = msgspec.json.decode(event.data, type=ItemChanged)
            self._statuses[change.index] = change.status
            yield self._message(event, 0, "item", await self._item(change))
        if event.name in (BEGUN, ITEM) and (now := self.progress()) != self._told:
            self._told = now
            yield self._message(event, 1, "progress", now)

    def progress(self) -> ProgressBody:
        """How far the task had come with the last event."""
        return ProgressBody(
            task_id=self.start.task.id,
            status=status_of(self._statuses),
            progress=sum(status.is_final for status in self._statuses),
            total=self.start.task.total,
            current_prompt=current_prompt(self.start.items, self._statuses),
        )

    async def _item(self, change: ItemChanged) -> Any:
        item = msgspec.structs.replace(
            self.start.items[change.index],
            status=change.status,
            picture_id=change.picture_id,
            failure=change.failure,
        )
        return await self.view.one(self.start.task.owner, item, self.language)

    def _message(self, event: Event, part: int, name: str, data: Any) -> tuple[Place, ServerSentEventMessage]:
        place = Place.of(event.id, part)
        return place, message(place, name, data)


def message(place: Place, name: str, data: Any) -> ServerSentEventMessage:
    """An event with JSON in it."""
    return ServerSentEventMessage(id=str(place), event=name, data=msgspec.json.encode(data))
