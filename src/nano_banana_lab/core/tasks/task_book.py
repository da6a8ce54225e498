"""What is written down of tasks, and how to look it up."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import OwnerId, is_id
from nano_banana_lab.core.storage.operations import MAX_AT_ONCE
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.core.tasks.keys import announced_key, open_key, task_key, tasks_index, waiting_index
from nano_banana_lab.core.tasks.task import (
    Item,
    Outline,
    Progress,
    Stage,
    Task,
    TaskNotFound,
    decode_item,
    decode_stage,
    decode_task,
)
from nano_banana_lab.core.tasks.task_moves import ENDS, TaskMoves

FEW = 20
"""So many items, whose prompts may be long, are held at a time where all are wanted one after the other."""

GLANCED_AT_ONCE = 100
"""So many items are read at a time where nothing is kept of them but how far they have come."""


@dataclass(frozen=True, kw_only=True)
class TaskBook:
    """Tasks and their items; `moves` are how they go on."""

    key_values: KeyValueStore
    moves: TaskMoves

    @property
    def clock(self) -> Clock:
        """The one by which tasks move."""
        return self.moves.clock

    async def task(self, owner: OwnerId, id: str) -> Task:
        """The owner's task. Raises `TaskNotFound`, also for another owner's."""
        kept = await self.key_values.get(task_key(owner, id)) if is_id(id) else None
        if kept is None:
            raise TaskNotFound
        return decode_task(kept)

    async def progress(self, owner: OwnerId, id: str) -> Progress:
        """The owner's task as it stands. Raises `TaskNotFound`."""
        task = await self.task(owner, id)
        return Progress(task=task, items=tuple([item for item, _ in await self.items(task)]))

    async def items(self, task: Task) -> list[tuple[Item, bytes]]:
        """Every item, and what it is kept as. Raises `TaskNotFound` when the task has just expired."""
        keys = [task.item_name(index).key for index in range(task.total)]
        kept = await self._values(keys)
        if None in kept:
            raise TaskNotFound
        return [(decode_item(value), value) for value in kept if value is not None]

    async def item(self, task: Task, index: int) -> Item:
        """One item. Raises `TaskNotFound` when the task has expired."""
        kept = await self.key_values.get(task.item_name(index).key)
        if kept is None:
            raise TaskNotFound
        return decode_item(kept)

    async def in_turn(self, task: Task) -> AsyncIterator[list[Item]]:
        """Every item in its order, a few at a time. Raises `TaskNotFound` when the task has just expired."""
        for begin in range(0, task.total, FEW):
            indexes = range(begin, min(begin + FEW, task.total))
            kept = await self.key_values.get_many([task.item_name(index).key for index in indexes])
            if None in kept:
                raise TaskNotFound
            yield [decode_item(value) for value in kept if value is not None]

    async def outline(self, task: Task) -> Outline:
        """How far the task has come, without reading all of it at once. Raises `TaskNotFound`."""
        [stages] = await self._stages([task])
        if None in stages:
            raise TaskNotFound
        return _outline(task, stages)

    async def is_open(self, task: Task) -> bool:
        """Whether more may come of the task: until it is closed, and again once it is tried again. Raises `TaskNotFound`."""
        keys = (task_key(task.owner, task.id), open_key(task.owner, task.id))
        there, still_open = await self.key_values.get_many(keys)
        if there is None:
            raise TaskNotFound
        return still_open is not None

    async def page(self, owner: OwnerId, *, limit: int, offset: int = 0) -> tuple[list[Outline], int]:
        """Some of the owner's tasks, the newest first, and how many there are in all."""
        page = await self.key_values.page(tasks_index(owner), limit=limit, offset=offset)
        kept = await self.key_values.get_many([task_key(owner, entry.member) for entry in page.entries])
        tasks = [decode_task(value) for value in kept if value is not None]
        found = zip(tasks, await self._stages(tasks), strict=True)
        outlines = [_outline(task, stages) for task, stages in found if None not in stages]
        return outlines, await self.kept(owner)

    async def current_prompts(self, outlines: Sequence[Outline]) -> list[str | None]:
        """For each of up to 1000 tasks the prompt of the first item that is being made, None where there is none."""
        making = [(each, each.making) for each in outlines]
        keys = [each.task.item_name(index).key for each, index in making if index is not None]
        kept = iter(await self.key_values.get_many(keys))
        values = [None if index is None else next(kept) for _, index in making]
        return [decode_item(value).commission.prompt if value is not None else None for value in values]

    async def kept(self, owner: OwnerId) -> int:
        """How many tasks of the owner there are."""
        return await self.key_values.count(tasks_index(owner))

    async def waiting(self, owner: OwnerId) -> int:
        """How many items of the owner wait."""
        return await self.key_values.count(waiting_index(owner))

    async def announced(self, task: Task) -> int:
        """How many ends of items have been posted and counted."""
        return (await self.key_values.counters(announced_key(task.owner, task.id))).get(ENDS, 0)

    async def _stages(self, tasks: Sequence[Task]) -> list[list[Stage | None]]:
        """How far every item of each task has come, None for what has expired."""
        keys = (task.item_name(index).key for task in tasks for index in range(task.total))
        stages = list[Stage | None]()
        while few := list(islice(keys, GLANCED_AT_ONCE)):
            kept = await self.key_values.get_many(few)
            stages += [None if value is None else decode_stage(value) for value in kept]
        rest = iter(stages)
        return [[next(rest) for _ in range(task.total)] for task in tasks]

    async def _values(self, keys: Sequence[str]) -> list[bytes | None]:
        found = list[bytes | None]()
        for at in range(0, len(keys), MAX_AT_ONCE):
            found += await self.key_values.get_many(keys[at : at + MAX_AT_ONCE])
        return found


def _outline(task: Task, stages: Sequence[Stage | None]) -> Outline:
    return Outline(task=task, items=tuple([stage for stage in stages if stage is not None]))
