"""What is written down of tasks: the operations that move an item on, each for one commit, and how to look things up."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, is_id
from nano_banana_lab.core.storage.operations import (
    MAX_AT_ONCE,
    Add,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
)
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.core.tasks.keys import (
    OPEN,
    QUEUED,
    RUNNING,
    TURNS,
    ItemName,
    announced_key,
    open_key,
    task_key,
    task_member,
    tasks_index,
    turn_key,
    waiting_index,
)
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
    encode,
)

UNFINISHED_SECONDS = 86400
"""How long a task may take. What has not been made by then is forgotten, and its points are given back."""

LEASE_SECONDS = 30
"""How long an item outlives the process that was making it."""

LOOK_AGAIN_SECONDS = 30
"""How often it is looked whether a task could be closed that should have been."""

HANDED_OVER_SECONDS = 20
"""How long whoever lets items wait may take to tell the queue, or to call them off, before others tell it."""

FEW = 20
"""So many items, whose prompts may be long, are held at a time where all are wanted one after the other."""

GLANCED_AT_ONCE = 100
"""So many items are read at a time where nothing is kept of them but how far they have come."""

ENDS = "ends"


@dataclass(frozen=True, kw_only=True)
class TaskBook:
    """Tasks and their items. A closed task is remembered for `ttl_seconds` more.

    Whoever moves an item on does so on the condition that it still is what they saw (`kept_as`), so of all who try one does.
    """

    key_values: KeyValueStore
    clock: Clock
    ttl_seconds: int

    def opening(self, task: Task, items: Sequence[Item], sealed_key: bytes) -> list[Operation]:
        """A new task, all of whose items wait."""
        return [
            Put(key=task_key(task.owner, task.id), value=encode(task), ttl=UNFINISHED_SECONDS, if_absent=True),
            *self._opened(task, sealed_key),
            *(operation for item in items for operation in self._newly_waiting(task, item)),
        ]

    def reopening(
        self, task: Task, changes: Sequence[tuple[Item, bytes]], sealed_key: bytes, *, announced: int
    ) -> list[Operation]:
        """Let these items wait again, each in place of what it is kept as; refused unless the task is closed.

        `announced` is what the counter of announced ends says now.
        """
        changed = {item.index for item, _ in changes}
        others = [self.name(task, index).key for index in range(task.total) if index not in changed]
        return [
            *self._opened(task, sealed_key),
            *(Expire(key=key, ttl=UNFINISHED_SECONDS) for key in (task_key(task.owner, task.id), *others)),
            Add(
                key=announced_key(task.owner, task.id),
                field=ENDS,
                amount=len(others) - announced,
                ttl=UNFINISHED_SECONDS,
            ),
            *(operation for item, kept_as in changes for operation in self._newly_waiting(task, item, kept_as)),
        ]

    def lining_up(
        self, task: Task, item: Item, kept_as: bytes | None = None, *, delay: float = 0, handed_over: float = 0
    ) -> list[Operation]:
        """An item that waits, for `delay` seconds at least.

        It is handed to the queue at once, or by whoever looks for what waits too long, once the delay is over
        and whoever let it wait has had `handed_over` seconds for that.
        """
        name, now = self.name(task, item.index), milliseconds(self.clock.now())
        due, told = now + round(delay * 1000), now + round((delay + handed_over) * 1000)
        place = due * 1000 + item.index % 1000
        return [
            self._put(name, item, kept_as),
            IndexPut(index=QUEUED, member=str(name), score=told if delay or handed_over else 0, ttl=UNFINISHED_SECONDS),
            IndexPut(index=waiting_index(task.owner), member=str(name), score=place, ttl=UNFINISHED_SECONDS),
            *([] if kept_as is None else [IndexRemove(index=RUNNING, member=str(name))]),
        ]

    def beginning(self, name: ItemName, item: Item, kept_as: bytes, *, turn: int) -> list[Operation]:
        """An item that is being made from now on, in place of the one that waited; its owner's place in the line is then at `turn`."""
        return [
            self._put(name, item, kept_as),
            *self._waits_no_more(name),
            self.alive(str(name)),
            self._standing(name.owner, turn),
        ]

    def ending(self, name: ItemName, item: Item, kept_as: bytes) -> list[Operation]:
        """An item of which nothing more comes."""
        return [
            self._put(name, item, kept_as),
            *self._waits_no_more(name),
            IndexRemove(index=RUNNING, member=str(name)),
        ]

    def entering(self, owner: OwnerId, at: int) -> list[Operation]:
        """Stand in the line of those who take turns, at this place; refused where the owner stands there already."""
        stands = Put(key=turn_key(owner), value=b"", ttl=UNFINISHED_SECONDS, if_absent=True)
        return [stands, self._standing(owner, at)]

    def leaving(self, owner: OwnerId) -> list[Operation]:
        """Stand in the line no more."""
        return [Delete(key=turn_key(owner)), IndexRemove(index=TURNS, member=owner)]

    def alive(self, name: str) -> IndexPut:
        """A sign of life of the process that is making this item."""
        deadline = milliseconds(self.clock.now()) + LEASE_SECONDS * 1000
        return IndexPut(index=RUNNING, member=name, score=deadline, ttl=UNFINISHED_SECONDS)

    def closing(self, task: Task) -> list[Operation]:
        """All is over: the key that paid is erased and the rest kept for a while; refused when that was done already."""
        ttl = float(self.ttl_seconds)
        keys = [task_key(task.owner, task.id), *(self.name(task, index).key for index in range(task.total))]
        return [
            Delete(key=open_key(task.owner, task.id), if_present=True),
            IndexRemove(index=OPEN, member=task_member(task.owner, task.id)),
            self._listed(task, ttl),
            *(Expire(key=key, ttl=ttl) for key in keys),
        ]

    def putting_off(self, task: Task, sealed_key: bytes) -> list[Operation]:
        """Look again later whether it can be closed; refused when it has been, or was opened anew with another key."""
        same = Put(key=open_key(task.owner, task.id), value=sealed_key, ttl=UNFINISHED_SECONDS, if_equals=sealed_key)
        return [same, self._looked_at_later(task)]

    def forgetting(self, owner: OwnerId, id: str) -> list[Operation]:
        """A task that has expired before it could be closed."""
        return [Delete(key=open_key(owner, id)), IndexRemove(index=OPEN, member=task_member(owner, id))]

    def name(self, task: Task, index: int) -> ItemName:
        """The name of one of its items."""
        return ItemName(task.owner, task.id, index)

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
        keys = [self.name(task, index).key for index in range(task.total)]
        kept = await self._values(keys)
        if None in kept:
            raise TaskNotFound
        return [(decode_item(value), value) for value in kept if value is not None]

    async def item(self, task: Task, index: int) -> Item:
        """One item. Raises `TaskNotFound` when the task has expired."""
        kept = await self.key_values.get(self.name(task, index).key)
        if kept is None:
            raise TaskNotFound
        return decode_item(kept)

    async def in_turn(self, task: Task) -> AsyncIterator[list[Item]]:
        """Every item in its order, a few at a time. Raises `TaskNotFound` when the task has just expired."""
        for begin in range(0, task.total, FEW):
            indexes = range(begin, min(begin + FEW, task.total))
            kept = await self.key_values.get_many([self.name(task, index).key for index in indexes])
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
        keys = [self.name(each.task, index).key for each, index in making if index is not None]
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

    def _newly_waiting(self, task: Task, item: Item, kept_as: bytes | None = None) -> list[Operation]:
        return self.lining_up(task, item, kept_as, handed_over=HANDED_OVER_SECONDS)

    def _opened(self, task: Task, sealed_key: bytes) -> list[Operation]:
        return [
            Put(key=open_key(task.owner, task.id), value=sealed_key, ttl=UNFINISHED_SECONDS, if_absent=True),
            self._looked_at_later(task),
            self._listed(task, UNFINISHED_SECONDS),
        ]

    def _looked_at_later(self, task: Task) -> IndexPut:
        look_at = milliseconds(self.clock.now()) + LOOK_AGAIN_SECONDS * 1000
        return IndexPut(index=OPEN, member=task_member(task.owner, task.id), score=look_at, ttl=UNFINISHED_SECONDS)

    def _listed(self, task: Task, ttl: float) -> IndexPut:
        return IndexPut(
            index=tasks_index(task.owner), member=task.id, score=milliseconds(task.created_at), ttl=float(ttl)
        )

    def _standing(self, owner: OwnerId, at: int) -> IndexPut:
        return IndexPut(index=TURNS, member=owner, score=at, ttl=UNFINISHED_SECONDS)

    def _waits_no_more(self, name: ItemName) -> list[Operation]:
        return [IndexRemove(index=index, member=str(name)) for index in (QUEUED, waiting_index(name.owner))]

    def _put(self, name: ItemName, item: Item, kept_as: bytes | None) -> Put:
        return Put(
            key=name.key,
            value=encode(item),
            ttl=UNFINISHED_SECONDS,
            if_absent=kept_as is None,
            if_equals=kept_as,
        )

    async def _stages(self, tasks: Sequence[Task]) -> list[list[Stage | None]]:
        """How far every item of each task has come, None for what has expired."""
        keys = (self.name(task, index).key for task in tasks for index in range(task.total))
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
