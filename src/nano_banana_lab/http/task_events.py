"""How a task goes on, as it happens: Server-Sent Events (WHATWG HTML, section 9.2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from dishka.integrations.litestar import FromDishka
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import BEGUN, DONE
from nano_banana_lab.core.tasks.keys import channel
from nano_banana_lab.core.tasks.ports import Event, EventBus, QueueUnavailable
from nano_banana_lab.core.tasks.task import Progress, TaskNotFound
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.http import examples
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import CONTENT_LANGUAGE
from nano_banana_lab.http.messages import Language
from nano_banana_lab.http.openapi import NamedExample, problems
from nano_banana_lab.http.task_bodies import TaskView
from nano_banana_lab.http.task_story import LAST_EVENT_ID, Place, TaskStory, message

KEEP_ALIVE_SECONDS = 15.0
"""How often something is sent although nothing happens, so that no proxy takes the connection for dead."""

OUTAGE_SECONDS = 2.0
"""How long to wait before asking again for events that could not be read."""

NEVER = "0-0"
"""The id of an event that was never posted: a task is done, and the bus has forgotten all that happened to it."""

STILL_HERE = ServerSentEventMessage(data=None, comment="still here")


@dataclass(frozen=True, kw_only=True)
class TaskEvents:
    """Follows tasks. The client's pace decides: what it has not read yet is kept by the bus and not here."""

    book: TaskBook
    bus: EventBus
    view: TaskView
    paid_calls: PaidCalls

    async def follow(self, start: Progress, after: Place, language: Language) -> AsyncIterator[ServerSentEventMessage]:
        """What happens behind `after`, until the task is done or forgotten; ends at once when the process is stopped."""
        story, read_to, wait = TaskStory(start=start, view=self.view, language=language), None, 0.0
        with contextlib.suppress(TaskNotFound, StoreUnavailable):  # who comes back goes on where this ended
            while (events := await self._read(start, read_to, wait)) is not None:
                if read_to is None and not (events and events[0].name == BEGUN):
                    story.begin_in_the_middle()
                for event in events:
                    read_to = event.id
                    async for place, told in story.told(event):
                        if place > after:
                            yield told
                if (not events or events[-1].name == DONE) and (end := await self._end(start, language)):
                    place = Place.of(read_to or NEVER, 2)
                    if place > after:
                        yield message(place, "done", end)
                    return
                if wait and not events:
                    yield STILL_HERE
                wait = KEEP_ALIVE_SECONDS

    async def _end(self, start: Progress, language: Language) -> Any:
        """What there is to tell at the end; None while there is more to come, and while nobody can say."""
        try:
            now = await self.book.progress(start.task.owner, start.task.id)
        except StoreUnavailable:
            return None
        return await self.view.task(now, language) if now.finished == now.task.total else None

    async def _read(self, start: Progress, after: str | None, wait: float) -> list[Event] | None:
        """The next events, none when nothing happened for a while; None when the process is being stopped."""
        reading = asyncio.create_task(self._read_patiently(channel(start.task.owner, start.task.id), after, wait))
        stopping = asyncio.create_task(self.paid_calls.closing.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            return None if stopping.done() else await reading
        finally:
            reading.cancel()
            stopping.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _read_patiently(self, name: str, after: str | None, wait: float) -> list[Event]:
        """An outage is nothing that the client has to hear of, who would only come back and ask again."""
        try:
            return await self.bus.read(name, after=after, wait=wait)
        except (QueueUnavailable, StoreUnavailable):
            await asyncio.sleep(OUTAGE_SECONDS)
            return []


class TaskEventsController(Controller):
    """A task, as it happens."""

    path = "/api/generate/task/{task_id:str}/events"
    tags = ("Tasks",)

    @get(
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
            str | None,
            HeaderParameter(name=LAST_EVENT_ID, description="The last id that was read: the stream goes on behind it."),
        ] = None,
    ) -> ServerSentEvent:
        """From the first event on, or behind `Last-Event-ID`; any process of the service can go on where another ended.

        A comment is sent every 15 seconds while nothing happens.
        """
        after = Place.read(last_event_id)
        start = await events.book.progress(caller.owner, task_id)
        language = language_of(request)
        stream = events.follow(start, after, language)
        return ServerSentEvent(stream, headers={"Cache-Control": "no-store", CONTENT_LANGUAGE: language})
