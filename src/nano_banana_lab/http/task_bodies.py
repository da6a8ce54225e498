"""Tasks as clients see them."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import msgspec

from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.task import Failure, Item, ItemStatus, Outline, Progress, Task, TaskRunning, TaskStatus
from nano_banana_lab.core.tasks.task_book import TaskBook
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
    def of(cls, outline: Outline, current_prompt: str | None) -> Self:
        """The task in short."""
        task, started_at, completed_at = outline.task, outline.started_at, outline.completed_at
        return cls(
            task_id=task.id,
            mode=task.mode,
            status=outline.status,
            progress=outline.finished,
            total=task.total,
            current_prompt=current_prompt,
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


LISTS: dict[str, Callable[[ItemBody], list[Any]]] = {
    "results": lambda item: [item.image] if item.image else [],
    "errors": lambda item: [item.error.message] if item.error else [],
    "items": lambda item: [item],
}
"""What each item has in the lists of a `TaskBody`."""


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """Turns tasks into what clients see, with those of their pictures that are still there."""

    find: FindPictures
    urls: PictureUrls
    book: TaskBook

    async def task(self, progress: Progress, language: Language) -> TaskBody:
        """The task in full."""
        current_prompt = None if progress.making is None else progress.items[progress.making].commission.prompt
        items = await self.items(progress.task.owner, progress.items, language)
        lists: dict[str, Any] = {name: [each for item in items for each in of(item)] for name, of in LISTS.items()}
        return TaskBody(**msgspec.structs.asdict(TaskSummary.of(progress, current_prompt)), **lists)

    async def pieces(self, outline: Outline, language: Language) -> AsyncIterator[bytes]:
        """The JSON of `task` for one at its end, a few items at a time, however many there are.

        Raises `TaskNotFound`, `StoreUnavailable`, and `TaskRunning` when it is tried again meanwhile.
        """
        yield msgspec.json.encode(TaskSummary.of(outline, None))[:-1]
        for name, of in LISTS.items():
            yield b',"%s":[' % name.encode()
            between = b""
            async for few in self.book.in_turn(outline.task):
                if not all(item.status.is_final for item in few):
                    raise TaskRunning
                bodies = await self.items(outline.task.owner, few, language)
                if parts := [msgspec.json.encode(each) for item in bodies for each in of(item)]:
                    yield between + b",".join(parts)
                    between = b","
            yield b"]"
        yield b"}"

    async def items(self, owner: OwnerId, items: Sequence[Item], language: Language) -> list[ItemBody]:
        """Some of its items."""
        pictures = await self.find.many(owner, [item.picture_id for item in items if item.picture_id])
        return [self._item(item, pictures.get(item.picture_id or ""), language) for item in items]

    def _item(self, item: Item, picture: Picture | None, language: Language) -> ItemBody:
        return ItemBody(
            index=item.index,
            prompt=item.commission.prompt,
            status=item.status,
            image=ImageBody.of(picture, self.urls) if picture else None,
            error=_error(item.failure, language) if item.failure else None,
        )


def _error(failure: Failure, language: Language) -> ItemErrorBody:
    message = sentence_of(failure.sentence, failure.details, language)
    return ItemErrorBody(code=failure.code, message=message)
