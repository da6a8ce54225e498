"""How a task goes on, as it happens: Server-Sent Events (WHATWG HTML, section 9.2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from dishka.integrations.litestar import FromDishka
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from litestar.types import SSEData, StreamType

from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import DONE, Announce
from nano_banana_lab.core.tasks.keys import channel
from nano_banana_lab.core.tasks.ports import Event, EventBus, QueueUnavailable
from nano_banana_lab.core.tasks.task import Outline, Task, TaskNotFound, TaskRunning
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.http import examples
from nano_banana_lab.http.envelope import METHOD_AS_SENT
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import CONTENT_LANGUAGE
from nano_banana_lab.http.messages import Language
from nano_banana_lab.http.openapi import NamedExample, problems
from nano_banana_lab.http.scopes import NEEDS_READ
from nano_banana_lab.http.task_bodies import TaskView
from nano_banana_lab.http.task_story import LAST_EVENT_ID, THE_END, Place, TaskStory, in_pieces

KEEP_ALIVE_SECONDS = 15.0
"""How often something is sent although nothing happens, so that no proxy takes the connection for dead."""

OUTAGE_SECONDS = 2.0
"""How long to wait before asking again for events that could not be read."""

AT_ONCE = 100
"""So many events are read at a time."""

NEVER = "0-0"
"""The id of an event that was never posted: a task is done, and the bus has forgotten all that happened to it."""

STILL_HERE = ServerSentEventMessage(data=None, comment="still here")


class _Stopped(Exception):
    """The process is being stopped."""


@dataclass(frozen=True, kw_only=True)
class TaskEvents:
    """Follows tasks. The client's pace decides: what it has not read yet is kept by the bus and the stores, and not here."""

    book: TaskBook
    bus: EventBus
    announce: Announce
    view: TaskView
    paid_calls: PaidCalls

    async def follow(self, task: Task, after: Place, language: Language) -> AsyncIterator[ServerSentEventMessage]:
        """What happens behind `after`, until the task is done or forgotten; ends at once when the process is stopped.

        Whatever comes once all that was posted has been read is told to everybody. It may stand before `after`
        when a bus in memory was restarted with its clock put back.
        """
        story = TaskStory(task=task, book=self.book, view=self.view, language=language)
        read_to, behind, wait = None, after, 0.0
        with contextlib.suppress(TaskNotFound, TaskRunning, StoreUnavailable, _Stopped):  # who comes back goes on
            while True:
                events = await self._read(task, read_to, wait)
                for event in events or ():
                    read_to = event.id
                    async for told in story.told(event, behind):
                        yield told
                if events is None or (wait and not events):
                    yield STILL_HERE
                if events is None:
                    continue
                if end := await self._end(task, events):
                    if (place := max(Place.of(read_to or NEVER, THE_END), after.of_the_end)) > behind:
                        async for piece in in_pieces(place, "done", self.view.pieces(end, language)):
                            yield piece
                    return
                if read_to is None:
                    await self._begin(task)
                behind, wait = (Place(), KEEP_ALIVE_SECONDS) if len(events) < AT_ONCE else (behind, 0.0)

    async def _end(self, task: Task, events: Sequence[Event]) -> Outline | None:
        """The task at its end; None while there is more to come or to be read, and while nobody can say."""
        if events and (events[-1].name != DONE or len(events) == AT_ONCE):
            return None
        with contextlib.suppress(StoreUnavailable):
            if not await self.book.is_open(task) and (now := await self.book.outline(task)).finished == task.total:
                return now
        return None

    async def _begin(self, task: Task) -> None:
        """Nothing is known yet of what goes on: let it begin for everybody with how far it has come."""
        with contextlib.suppress(QueueUnavailable, StoreUnavailable):
            await self.announce.begin_again(task)

    async def _read(self, task: Task, after: str | None, wait: float) -> list[Event] | None:
        """The next events; empty when nothing happened for a while, None in an outage. Raises `_Stopped`."""
        reading = asyncio.create_task(self._read_patiently(channel(task.owner, task.id), after, wait))
        stopping = asyncio.create_task(self.paid_calls.closing.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                raise _Stopped
            return await reading
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _read_patiently(self, name: str, after: str | None, wait: float) -> list[Event] | None:
        """An outage is nothing that the client has to hear of, who would only come back and ask again."""
        try:
            return await self.bus.read(name, after=after, wait=wait, limit=AT_ONCE)
        except QueueUnavailable:
            await asyncio.sleep(OUTAGE_SECONDS)
            return None


class TaskEventsController(Controller):
    """A task, as it happens."""

    path = "/api/generate/task/{task_id:str}/events"
    tags = ("Tasks",)

    @get(
        opt=NEEDS_READ,
        summary="Follow a task",
        media_type="text/event-stream",
        responses={
            200: ResponseSpec(
                str,
                description=(
                    "Server-Sent Events until the task is done, each with an id and JSON data: `item` is an entry of the "
                    "task's `items` that has changed, `progress` how far the task has come, `done` the whole task at its end."
                ),
                media_type="text/event-stream",
                generate_examples=False,
                examples=[NamedExample(id="example", value=examples.TASK_EVENTS)],
            ),
            **problems("task_not_found", "validation_error", "service_unavailable", "internal_error"),
        },
    )
    async def events(
        self,
        request: LabRequest,
        task_id: FromPath[str],
        caller: NamedDependency[Caller],
        events: FromDishka[TaskEvents],
        last_event_id: Annotated[
            str,
            HeaderParameter(
                name=LAST_EVENT_ID,
                description="The last id that was read: the stream goes on behind it.",
                schema_extra={"pattern": r"^([0-9]{1,18}-[0-9]{1,18}\.[0-2])?$"},
            ),
        ] = "",
    ) -> ServerSentEvent:
        """From the first event on, or behind `Last-Event-ID`; any process of the service can go on where another ended.

        A comment is sent every 15 seconds while nothing happens.
        """
        if events.paid_calls.closed:  # a stream that ends at once would be asked for again and again
            raise ShuttingDown
        after = Place.read(last_event_id)
        task, language = await events.book.task(caller.owner, task_id), language_of(request)
        only_asked = request.scope["state"][METHOD_AS_SENT] == HttpMethod.HEAD
        stream: StreamType[SSEData] = () if only_asked else events.follow(task, after, language)
        return ServerSentEvent(stream, headers={"Cache-Control": "no-store", CONTENT_LANGUAGE: language})
