"""Work for a `TaskQueue`: runs that a test watches and lets go, and workers that end with it.

runs = Runs(held=True)
async with working(queue, runs, concurrency=2):
await queue.submit(["a", "b", "c"])
await runs.until_started(2)
runs.let_go()
await until_state(queue, waiting=0, running=0)
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from nano_banana_lab.core.tasks.ports import QueueState, TaskQueue
from nano_banana_lab.core.tasks.run_logged import Run

_PATIENCE = 30.0


class Runs:
    """What a worker is to do with names: note them, and when `held`, go on until they are `let_go`."""

    def __init__(self, *, held: bool = False) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.most_at_once = 0
        self._go = asyncio.Event()
        self._changed = asyncio.Condition()
        if not held:
            self.let_go()

    async def __call__(self, name: str) -> None:
        await self._note(self.started, name)
        self.most_at_once = max(self.most_at_once, len(self.started) - len(self.ended))
        try:
            await self._go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        await self._note(self.ended, name)

    def let_go(self) -> None:
        self._go.set()

    async def until_started(self, count: int) -> None:
        await self._until(lambda: len(self.started) >= count)

    async def until_ended(self, count: int) -> None:
        await self._until(lambda: len(self.ended) >= count)

    async def _note(self, names: list[str], name: str) -> None:
        async with self._changed:
            names.append(name)
            self._changed.notify_all()

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE), self._changed:
            await self._changed.wait_for(holds)


@asynccontextmanager
async def working(queue: TaskQueue, run: Run, *, concurrency: int = 10) -> AsyncIterator[asyncio.Task[None]]:
    """A worker at work until the end, when it is cancelled, with its runs if need be."""
    worker = asyncio.create_task(queue.work(run, concurrency=concurrency))
    try:
        yield worker
    finally:
        while not worker.done():
            worker.cancel()
            await asyncio.wait([worker], timeout=0.2)


async def until_state(queue: TaskQueue, **expected: int) -> QueueState:
    """Wait until the queue is in this state, of which nobody is told."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            state = await queue.state()
            if all(getattr(state, name) == count for name, count in expected.items()):
                return state
            await asyncio.sleep(0.01)
