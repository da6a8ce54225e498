"""Make the pictures of a batch, and save each as soon as it is there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from dishka import AsyncContainer

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.refusals import CooldownActive
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, StoreUnavailable, read_blob
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.keys import channel
from nano_banana_lab.core.tasks.ports import EventBus, QueueUnavailable
from nano_banana_lab.core.tasks.submit_task import SubmitTask
from nano_banana_lab.core.tasks.task import Failure, Item, ItemStatus, Progress, Task
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.main.chores import do_chores
from nano_banana_lab.main.commands.batch_outcomes import Outcome
from nano_banana_lab.main.commands.picture_files import numbered_name, write_picture
from nano_banana_lab.main.commands.run_in_lab import tell_of_finishing
from nano_banana_lab.main.work import kept_up, work

LOOK_AGAIN_SECONDS = 1.0
"""How long to wait for news: those of other processes come by no event where there is no Redis."""


@dataclass(kw_only=True)
class Batch:
    """Takes up to `most` prompts at a time as a task, one task after the other."""

    submit: SubmitTask
    cancel: CancelTask
    book: TaskBook
    bus: EventBus
    find: FindPictures
    blobs: BlobStore
    caller: Caller
    folder: Path
    most: int
    outcomes: list[Outcome]
    on_end: Callable[[], None] = lambda: None
    """Called once for each outcome."""
    tasks: list[str] = field(default_factory=list)

    async def make(self, commissions: Sequence[Commission]) -> None:
        """Until nothing more comes of any outcome.

        Cancelled, it takes back what waits, sees what is being made to its end and saves it, and then ends as cancelled.
        Raises what `SubmitTask` raises when not even the first task was taken on.
        """
        try:
            await self._make(commissions)
        finally:
            for outcome in self.outcomes:
                if not outcome.status.is_final:
                    outcome.status = ItemStatus.CANCELLED

    async def _make(self, commissions: Sequence[Commission]) -> None:
        for begin in range(0, len(commissions), self.most):
            some = self.outcomes[begin : begin + self.most]
            try:
                task = await self._submitted(commissions[begin : begin + self.most])
            except LabError as error:
                if not self.tasks:
                    raise
                self._give_up(some, error)
            else:
                self.tasks.append(task.id)
                await self._see_through(task, some)

    async def _submitted(self, commissions: Sequence[Commission]) -> Task:
        while True:
            submitting = asyncio.ensure_future(self.submit(self.caller, commissions))
            try:
                return await asyncio.shield(submitting)
            except asyncio.CancelledError:
                with contextlib.suppress(LabError):
                    await self._take_back(await submitting)
                raise
            except CooldownActive as error:  # after the task before
                if not self.tasks:
                    raise
                await asyncio.sleep(error.retry_after)

    async def _see_through(self, task: Task, outcomes: Sequence[Outcome]) -> None:
        try:
            await self._follow(task, outcomes)
        except asyncio.CancelledError:
            tell_of_finishing()
            await self._take_back(task)
            await self._follow(task, outcomes)
            raise

    async def _take_back(self, task: Task) -> None:
        """What is not being made yet."""
        with contextlib.suppress(LabError):  # it has just ended, or nobody can be told
            await self.cancel(task.owner, task.id)

    async def _follow(self, task: Task, outcomes: Sequence[Outcome]) -> None:
        async for progress in self._progress(task):
            for item, outcome in zip(progress.items, outcomes, strict=True):
                if item.status.is_final and not outcome.status.is_final:
                    await self._end(item, outcome)

    async def _progress(self, task: Task) -> AsyncIterator[Progress]:
        """The task whenever something has happened; an outage is waited out."""
        read_to: str | None = None
        while True:
            with contextlib.suppress(StoreUnavailable):
                progress = await self.book.progress(task.owner, task.id)
                yield progress
                if progress.finished == task.total:
                    return
            try:
                news = await self.bus.read(channel(task.owner, task.id), after=read_to, wait=LOOK_AGAIN_SECONDS)
                read_to = news[-1].id if news else read_to
            except QueueUnavailable:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _end(self, item: Item, outcome: Outcome) -> None:
        outcome.trouble = item.failure
        if item.picture_id is not None:
            await self._save(item.picture_id, outcome)
        outcome.status = item.status
        self.on_end()

    async def _save(self, picture_id: str, outcome: Outcome) -> None:
        try:
            outcome.picture = picture = await self.find.one(self.caller.owner, picture_id)
            data = await read_blob(self.blobs, picture.key)
            name = numbered_name(outcome.number, picture, of=len(self.outcomes))
            outcome.file = await write_picture(data, picture, output=None, default=self.folder / name)
        except (LabError, BlobNotFound, click.ClickException) as error:
            why = error.format_message() if isinstance(error, click.ClickException) else str(error)
            outcome.trouble = Failure(code="not_saved", sentence="{why}", details={"why": why})

    def _give_up(self, outcomes: Sequence[Outcome], error: LabError) -> None:
        for outcome in outcomes:
            outcome.status, outcome.trouble = ItemStatus.FAILED, Failure.of(error)
            self.on_end()


@contextlib.asynccontextmanager
async def working(container: AsyncContainer, *, concurrency: int) -> AsyncIterator[None]:
    """Work on tasks meanwhile, like a worker; what has been begun is finished at the end."""
    chores = asyncio.create_task(kept_up("round of chores", lambda: do_chores(container)))
    at_work = asyncio.create_task(kept_up("task worker", lambda: work(container, concurrency=concurrency)))
    try:
        yield
    finally:
        (await container.get(PaidCalls)).close()
        await asyncio.gather(at_work, return_exceptions=True)
        chores.cancel()
        await asyncio.gather(chores, return_exceptions=True)
