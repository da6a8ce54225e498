"""The `TaskQueue` in this process's memory: for tests, and for a lab of one process."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from nano_banana_lab.core.tasks.ports import QueueState, check_task_names
from nano_banana_lab.core.tasks.run_logged import Run, run_logged


class MemoryTaskQueue:
    """A line of names and nothing else; gone with the process, and never unavailable. For one event loop.

    The names whose runs a second cancellation ended go to the head of the line.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()
        self._workers = 0
        self._submitted = asyncio.Event()

    async def submit(self, names: Sequence[str]) -> None:
        check_task_names(names)
        self._waiting.update(dict.fromkeys(name for name in names if name not in self._running))
        self._submitted.set()

    async def work(self, run: Run, *, concurrency: int) -> None:
        room, runs = asyncio.Semaphore(concurrency), dict[asyncio.Task[None], str]()

        def ended(task: asyncio.Task[None]) -> None:
            self._ended(runs.pop(task), was_cancelled=task.cancelled())
            room.release()

        self._workers += 1
        try:
            while True:
                await room.acquire()
                name = await self._take()
                task = asyncio.create_task(run_logged(run, name))
                runs[task] = name
                task.add_done_callback(ended)
        finally:
            self._workers -= 1
            await _last(list(runs))

    async def state(self) -> QueueState:
        return QueueState(waiting=len(self._waiting), running=len(self._running), workers=self._workers)

    async def _take(self) -> str:
        while not self._waiting:
            self._submitted.clear()
            await self._submitted.wait()
        name, _ = self._waiting.popitem(last=False)
        self._running.add(name)
        return name

    def _ended(self, name: str, *, was_cancelled: bool) -> None:
        self._running.discard(name)
        if was_cancelled:
            self._waiting[name] = None
            self._waiting.move_to_end(name, last=False)
            self._submitted.set()


async def _last(runs: list[asyncio.Task[None]]) -> None:
    """Wait for them all; cancelled meanwhile, cancel them."""
    if runs:
        try:
            await asyncio.wait(runs)
        except asyncio.CancelledError:
            for run in runs:
                run.cancel()
            await asyncio.wait(runs)
            raise
