"""Work that somebody pays for runs to its end, whoever hangs up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nano_banana_lab.core.shared.errors import LabError

T = TypeVar("T")


class ShuttingDown(LabError):
    """The process finishes what it has begun and takes nothing new."""

    code = "service_unavailable"
    sentence = "The service is shutting down; please try again in a moment."


class PaidCalls:
    """Runs each call in a task of its own, so that cancelling the caller leaves the call alone.

    `close` refuses new calls, `finish` waits for the running ones.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self.closing = asyncio.Event()
        """Set once new calls are refused, for whatever else has to end then."""

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return len(self._running)

    @property
    def closed(self) -> bool:
        """Whether new calls are refused."""
        return self.closing.is_set()

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """The call's result or error. When the awaiting task is cancelled the call goes on and is still waited for.

        A call within a call is part of it. Raises `ShuttingDown` for a new call after `close`, and for one that `finish`
        had to cut off.
        """
        if asyncio.current_task() in self._running:
            return await call
        if self.closed:
            call.close()
            raise ShuttingDown
        task = asyncio.create_task(call)
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _being_cancelled():
                raise ShuttingDown from None
            raise

    def close(self) -> None:
        """Refuse new calls from now on with `ShuttingDown`."""
        self.closing.set()

    async def finish(self, grace_seconds: float) -> int:
        """Wait for the running calls, then cancel those that take longer; says how many had to be cancelled."""
        if not self._running:
            return 0
        _, late = await asyncio.wait(self._running, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: when the caller has gone there is nobody left to raise it to


def _being_cancelled() -> bool:
    """Whether somebody cancelled the current task itself."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
