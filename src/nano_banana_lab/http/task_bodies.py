"""Tasks as clients see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import msgspec

from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.task import Failure, Item, ItemStatus, Progress, Task, TaskStatus
from nano_banana_lab.http.generated import ImageBody
from nano_banana_lab.http.messages import Language, sentence_of
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.timestamps import Timestamp, rfc3339


class SubmittedBody(msgspec.Struct, kw_only=True):
    """A task that was taken on."""

    task_id: str
    total: int
    status: TaskStatus

    @classmethod
    def of(cls, task: Task) -> Self:
        """The task just now."""
        return cls(task_id=task.id, total=task.total, status=TaskStatus.QUEUED)


class ItemErrorBody(msgspec.Struct, kw_only=True):
    """Why an item came to nothing."""

    code: str
    message: str


class ItemBody(msgspec.Struct, kw_only=True):
    """One picture of a task. `image` is null until it is there, and again when its owner has deleted it from the history."""

    index: int
    prompt: str
    status: ItemStatus
    image: ImageBody | None
    error: ItemErrorBody | None


class TaskSummary(msgspec.Struct, kw_only=True):
    """How far a task has come. `progress` counts the items that have come to their end, a good one or not."""

    task_id: str
    mode: Mode
    status: TaskStatus
    progress: int
    total: int
    current_prompt: Annotated[str | None, msgspec.Meta(description="Of the first item that is being made.")]
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """The task in short."""
        task, started_at, completed_at = progress.task, progress.started_at, progress.completed_at
        return cls(
            task_id=task.id,
            mode=task.mode,
            status=progress.status,
            progress=progress.finished,
            total=task.total,
            current_prompt=current_prompt(progress.items, [item.status for item in progress.items]),
            created_at=rfc3339(task.created_at),
            started_at=rfc3339(started_at) if started_at else None,
            completed_at=rfc3339(completed_at) if completed_at else None,
        )


class TaskBody(TaskSummary, kw_only=True):
    """A task with all that came of it: `results` are the pictures, `errors` the sentences of what failed, both in order."""

    results: list[ImageBody]
    errors: list[str]
    items: list[ItemBody]


class TaskList(msgspec.Struct, kw_only=True):
    """Some of the caller's tasks, the newest first; `total` is how many there are."""

    tasks: list[TaskSummary]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """Turns tasks into what clients see, with those of their pictures that are still there."""

    find: FindPictures
    urls: PictureUrls

    async def task(self, progress: Progress, language: Language) -> TaskBody:
        """The task in full."""
        ids = [item.picture_id for item in progress.items if item.picture_id]
        pictures = await self.find.many(progress.task.owner, ids)
        items = [self.item(item, pictures.get(item.picture_id or ""), language) for item in progress.items]
        return TaskBody(
            **msgspec.structs.asdict(TaskSummary.of(progress)),
            results=[item.image for item in items if item.image],
            errors=[item.error.message for item in items if item.error],
            items=items,
        )

    async def one(self, owner: OwnerId, item: Item, language: Language) -> ItemBody:
        """One item by itself."""
        pictures = await self.find.many(owner, [item.picture_id] if item.picture_id else [])
        return self.item(item, pictures.get(item.picture_id or ""), language)

    def item(self, item: Item, picture: Picture | None, language: Language) -> ItemBody:
        """One of its items."""
        return ItemBody(
            index=item.index,
            prompt=item.commission.prompt,
            status=item.status,
            image=ImageBody.of(picture, self.urls) if picture else None,
            error=_error(item.failure, language) if item.failure else None,
        )


def current_prompt(items: Sequence[Item], statuses: Sequence[ItemStatus]) -> str | None:
    """The prompt of the first item that is being made."""
    making = (item for item, status in zip(items, statuses, strict=True) if status is ItemStatus.PROCESSING)
    return next((item.commission.prompt for item in making), None)


def _error(failure: Failure, language: Language) -> ItemErrorBody:
    message = sentence_of(failure.sentence, failure.details, language)
    return ItemErrorBody(code=failure.code, message=message)
