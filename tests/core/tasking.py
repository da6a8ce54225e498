"""Tasks on the stores and the model of a lab in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nano_banana_lab.adapters.cryptography.key_sealer import AesKeySealer
from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus
from nano_banana_lab.adapters.memory.task_queue import MemoryTaskQueue
from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.shared.secrets import ApiKey, Secret
from nano_banana_lab.core.tasks.announce import DONE, Announce
from nano_banana_lab.core.tasks.begin_item import BeginItem
from nano_banana_lab.core.tasks.cancel_item import CancelItem
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.core.tasks.keep_moving import KeepTasksMoving
from nano_banana_lab.core.tasks.keys import channel
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.retry_task import RetryTask
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.set_waiting import SetWaiting
from nano_banana_lab.core.tasks.submit_task import SubmitTask, batch_of
from nano_banana_lab.core.tasks.task import Progress, Task
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import TaskMoves
from nano_banana_lab.core.tasks.turns import Turns

ALICE = OwnerId("alice")
A_DAY = 86400
TRIAL = QuotaPolicy(enabled=True, cooldown_seconds=0)
LEASE = 30
A_MOMENT = 0.001
"""In seconds."""


@dataclass(kw_only=True)
class Tasks:
    """The use cases of one process; another one on the same stores, queue and bus is another `Tasks`."""

    lab: Any
    queue: Any = field(default_factory=MemoryTaskQueue)
    bus: Any = None
    ttl_seconds: int = A_DAY
    secret: str = "of the lab"

    def __post_init__(self) -> None:
        lab, clock = self.lab, self.lab.clock
        self.bus = self.bus or MemoryEventBus(clock)
        self.book = TaskBook(key_values=lab.key_values, moves=TaskMoves(clock=clock, ttl_seconds=self.ttl_seconds))
        self.announce = Announce(book=self.book, bus=self.bus)
        self.sealer = AesKeySealer(Secret(self.secret))
        self.turns = Turns(book=self.book)
        self.line_up = LineUp(book=self.book, queue=self.queue, turns=self.turns)
        self.hold = HoldPictures(
            blobs=lab.blobs, key_values=lab.key_values, load_pictures=lab.load_pictures, clock=clock
        )
        parts: dict[str, Any] = {"book": self.book, "trial": lab.make_picture.trial, "announce": self.announce}
        paying = {"sealer": self.sealer, "paid_calls": lab.paid_calls}
        self.set_waiting = SetWaiting(**parts, paid_calls=lab.paid_calls)
        taking_on = parts | paying | {"models": lab.make_picture.models, "line_up": self.line_up}
        taking_on |= {"set_waiting": self.set_waiting}
        self.submit = SubmitTask(stores=lab.make_picture.stores, hold_pictures=self.hold, clock=clock, **taking_on)
        self.retry = RetryTask(**{name: part for name, part in taking_on.items() if name != "trial"})
        cancel_item = CancelItem(book=self.book, trial=parts["trial"], clock=clock)
        self.cancel = CancelTask(book=self.book, cancel_item=cancel_item, announce=self.announce)
        stores = lab.make_picture.stores
        self.begin = BeginItem(
            book=self.book,
            turns=self.turns,
            stores=stores,
            cancel_item=cancel_item,
            announce=self.announce,
            clock=clock,
        )
        self.run_item = RunItem(begin=self.begin, carry_out=lab.carry_out, clock=clock, **parts, **paying)
        self.keep_moving = KeepTasksMoving(
            turns=self.turns,
            queue=self.queue,
            run_item=self.run_item,
            stores=stores,
            key_values=lab.key_values,
            clock=clock,
            **parts,
        )

    async def batch(
        self,
        *prompts: str,
        owner: OwnerId = ALICE,
        key: str | None = None,
        resolution: Resolution = Resolution.ONE_K,
    ) -> Task:
        """A submitted batch."""
        commissions = batch_of(prompts or ("a", "b", "c"), ImageSettings(resolution=resolution), most=1000)
        return await self.taken_on(commissions, owner=owner, key=key)

    async def taken_on(
        self, commissions: Sequence[Commission], *, owner: OwnerId = ALICE, key: str | None = None
    ) -> Task:
        return await self.submit(_caller(owner, key), commissions)

    async def again(self, task: Task, *, key: str | None = None) -> Progress:
        return await self.retry(_caller(task.owner, key), task.id)

    async def progress(self, task: Task) -> Progress:
        return await self.book.progress(task.owner, task.id)

    async def statuses(self, task: Task) -> list[str]:
        return [item.status.value for item in (await self.progress(task)).items]

    @contextlib.asynccontextmanager
    async def working(self, *, concurrency: int = 4) -> AsyncIterator[asyncio.Task[None]]:
        """A worker is there."""
        worker = asyncio.create_task(self.queue.work(self.run_item, concurrency=concurrency))
        try:
            yield worker
        finally:
            worker.cancel()
            await asyncio.wait([worker])

    async def events(self, task: Task) -> list[Any]:
        """All that was posted of a task."""
        return await self.bus.read(channel(task.owner, task.id), limit=1000)

    async def event_names(self, task: Task) -> list[str]:
        return [event.name for event in await self.events(task)]

    async def done(self, task: Task) -> Progress:
        """The task, once it has come to its end, the last one if it was tried again, and that has been posted."""
        after = None
        while True:
            for event in await self.bus.read(channel(task.owner, task.id), after=after, wait=60):
                after = event.id
                if event.name == DONE and (now := await self.progress(task)).finished == task.total:
                    return now

    async def worked_off(self, task: Task, **how: Any) -> Progress:
        """The task after a worker has done all of it."""
        async with self.working(**how):
            return await self.done(task)

    async def tickets(self) -> list[str]:
        """All that the queue has, the first one first, and then has no more; it is the caller's to run them."""
        taken = list(self.queue._waiting)
        self.queue._waiting.clear()
        return taken

    async def round(self) -> None:
        """A look at what should move on, by a process to which the stores have been there for a while."""
        self.keep_moving._calm_since -= 3600
        await self.keep_moving.give_signs_of_life()
        await self.keep_moving()


def another_process(tasks: Tasks, *, ahead: float = 0, **parts: Any) -> Tasks:
    """Another process on the same stores; the queue of the one that died is lost unless it is given.

    Its clock is so many seconds `ahead`.
    """
    lab = tasks.lab
    shared = {each: getattr(lab, each) for each in ("clock", "key_values", "blobs", "model", "policy")}
    if ahead:
        shared["clock"] = Ahead(lab.clock, ahead)
    return Tasks(lab=type(lab)(**shared), **({"bus": tasks.bus} | parts))


async def points(tasks: Tasks) -> tuple[int, int]:
    """Points that are spent or set aside, and those of them that are set aside."""
    usage = await tasks.lab.usage(ALICE)
    return usage.points, usage.points_set_aside


class Far:
    """A store from which every answer takes a moment, so that others come in between."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return await getattr(self._store, name)(*args, **kwargs)

        return call


class Meanwhile:
    """A store to whose next `method` something else comes first."""

    def __init__(self, store: Any, method: str, act: Callable[[], Awaitable[object]]) -> None:
        self._store, self._method = store, method
        self._act: Callable[[], Awaitable[object]] | None = act

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            act = self._act if name == self._method else None
            if act is not None:
                self._act = None
                await act()
            return await getattr(self._store, name)(*args, **kwargs)

        return call


class Ahead:
    """A clock that is some seconds ahead of another one."""

    def __init__(self, clock: Any, seconds: float) -> None:
        self._clock, self._by = clock, timedelta(seconds=seconds)

    def now(self) -> datetime:
        now: datetime = self._clock.now()
        return now + self._by


def _caller(owner: OwnerId, key: str | None) -> Caller:
    return Caller(owner=owner, api_key=ApiKey(key) if key else None)
