"""How tasks and their items move on: the operations for each step, to be committed together."""

from collections.abc import Sequence
from dataclasses import dataclass

from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Add, Delete, Expire, IndexPut, IndexRemove, Operation, Put
from nano_banana_lab.core.tasks.keys import (
    OPEN,
    QUEUED,
    RUNNING,
    TURNS,
    ItemName,
    announced_key,
    cancelled_key,
    open_key,
    task_key,
    task_member,
    tasks_index,
    turn_key,
    waiting_index,
)
from nano_banana_lab.core.tasks.task import Item, Task, encode

UNFINISHED_SECONDS = 86400
"""How long a task may take. What has not been made by then is forgotten, and its points are given back."""

LEASE_SECONDS = 30
"""How long an item outlives the process that was making it."""

LOOK_AGAIN_SECONDS = 30
"""How often it is looked whether a task could be closed that should have been."""

HANDED_OVER_SECONDS = 20
"""How long whoever lets items wait may take to tell the queue, or to call them off, before others begin them."""

LINE_UP_AGAIN_SECONDS = 20
"""How long an item waits before the queue is told of it once more, in case it has forgotten."""

CLOCKS_APART_SECONDS = 5
"""By so much the clocks of two processes may differ before one of them takes what waits for what has to wait yet."""

ENDS = "ends"
"""The counter of items whose end has been posted."""


@dataclass(frozen=True, kw_only=True)
class TaskMoves:
    """Whoever moves an item on does so on the condition that it still is what they saw (`kept_as`), so of all who try one does.

    A closed task is remembered for `ttl_seconds` more.
    """

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
        others = [task.item_name(index).key for index in range(task.total) if index not in changed]
        return [
            *self._opened(task, sealed_key),
            Delete(key=cancelled_key(task.owner, task.id)),
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

        Nobody begins it before the delay is over and whoever let it wait has had `handed_over` seconds for saying that
        it is `ready`, or for calling it off.
        """
        name, later = task.item_name(item.index), delay + handed_over
        told = milliseconds(self.clock.now()) + round(later * 1000)
        return [
            self._put(name, item, kept_as),
            IndexPut(index=QUEUED, member=str(name), score=told if later else 0, ttl=UNFINISHED_SECONDS),
            self._waiting(name, told * 1000 + item.index % 1000) if later else self.ready(name, item),
            *([] if kept_as is None else [IndexRemove(index=RUNNING, member=str(name))]),
        ]

    def ready(self, name: ItemName, item: Item) -> IndexPut:
        """An item that may be begun now, at its place among its owner's; where it does not wait any more this does no harm."""
        came = milliseconds(item.since or self.clock.now())
        return self._waiting(name, (came - CLOCKS_APART_SECONDS * 1000) * 1000 + item.index % 1000)

    def not_ready(self, name: ItemName) -> IndexRemove:
        """An item that was found not to wait; where it comes to wait meanwhile, the next look at what waits too long finds it."""
        return IndexRemove(index=waiting_index(name.owner), member=str(name))

    def looked_at_later(self, name: ItemName) -> IndexPut:
        """Whoever looks for what waits too long looks at the item again in a while."""
        later = milliseconds(self.clock.now()) + LINE_UP_AGAIN_SECONDS * 1000
        return IndexPut(index=QUEUED, member=str(name), score=later, ttl=UNFINISHED_SECONDS)

    def passed_over(self, name: ItemName) -> list[Operation]:
        """An item that this process cannot read; others may, and do not find it before the rest meanwhile."""
        later = self.looked_at_later(name)
        return [later, self._waiting(name, later.score * 1000)]

    def staying(self, name: ItemName, item: Item, kept_as: bytes) -> list[Operation]:
        """An item that goes on waiting, but is not `kept_as` any more: whoever wanted to begin that comes too late."""
        return [self._put(name, item, kept_as)]

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

    def cancelling(self, task: Task) -> list[Operation]:
        """From now on nothing of the task is begun, or waits again, until it is tried again."""
        return [Put(key=cancelled_key(task.owner, task.id), value=b"", ttl=UNFINISHED_SECONDS)]

    def waiting_no_more(self, name: ItemName, item: Item, kept_as: bytes) -> list[Operation]:
        """Entries that are left of an item that does not wait; refused when it is not `kept_as` any more."""
        return [self._same(name, item, kept_as), *self._waits_no_more(name)]

    def running_no_more(self, name: ItemName, item: Item, kept_as: bytes) -> list[Operation]:
        """A sign of life that is left of an item that nobody makes; refused when it is not `kept_as` any more."""
        return [self._same(name, item, kept_as), IndexRemove(index=RUNNING, member=str(name))]

    def gone(self, name: ItemName) -> list[Operation]:
        """Entries that are left of an item that has expired, or whose task has."""
        return [*self._waits_no_more(name), IndexRemove(index=RUNNING, member=str(name))]

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
        keys = [task_key(task.owner, task.id), *(task.item_name(index).key for index in range(task.total))]
        return [
            Delete(key=open_key(task.owner, task.id), if_present=True),
            Delete(key=cancelled_key(task.owner, task.id)),
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
        keys = (open_key(owner, id), cancelled_key(owner, id))
        return [*(Delete(key=key) for key in keys), IndexRemove(index=OPEN, member=task_member(owner, id))]

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

    def _waiting(self, name: ItemName, place: int) -> IndexPut:
        return IndexPut(index=waiting_index(name.owner), member=str(name), score=place, ttl=UNFINISHED_SECONDS)

    def _waits_no_more(self, name: ItemName) -> list[Operation]:
        return [IndexRemove(index=index, member=str(name)) for index in (QUEUED, waiting_index(name.owner))]

    def _put(self, name: ItemName, item: Item, kept_as: bytes | None) -> Put:
        return Put(
            key=name.key,
            value=encode(item),
            ttl=self._left(item),
            if_absent=kept_as is None,
            if_equals=kept_as,
        )

    def _same(self, name: ItemName, item: Item, kept_as: bytes) -> Put:
        """Nothing changes. What is over is kept for as long as its task may be."""
        ttl = max(UNFINISHED_SECONDS, self.ttl_seconds) if item.status.is_final else self._left(item)
        return Put(key=name.key, value=kept_as, ttl=ttl, if_equals=kept_as)

    def _left(self, item: Item) -> float:
        """For how many seconds to keep it: while more comes of it, no longer than its task."""
        if item.status.is_final:
            return UNFINISHED_SECONDS
        came = milliseconds(item.since or self.clock.now())
        return max(1.0, UNFINISHED_SECONDS + (came - milliseconds(self.clock.now())) / 1000)
