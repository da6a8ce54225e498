"""Work that somebody pays for runs to its end, whoever hangs up."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from nano_banana_lab.core.shared.errors import LabError

T = TypeVar("T")

logger = logging.getLogger(__name__)


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
        task = self._begun(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _being_cancelled():
                raise ShuttingDown from None
            raise

    async def go_on(self, call: Coroutine[Any, Any, object], *, wait: float = 0) -> None:
        """Begin what an answer need not wait for, also after `close`, and wait for it at most so many seconds.

        It goes on afterwards, and only `finish` still waits for it. What it raises is logged.
        """
        await asyncio.wait([self._begun(_logged(call))], timeout=wait)

    def close(self) -> None:
        """Refuse new calls from now on with `ShuttingDown`."""
        self.closing.set()

    async def finish(self, grace_seconds: float) -> int:
        """Wait for the running calls and what they begin, then cancel those that take longer; says how many had to be cancelled."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                while self._running:  # one that ends may have begun another
                    await asyncio.wait(self._running)
        late = [task for task in self._running if not task.done()]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    def _begun(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(call)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: when the caller has gone there is nobody left to raise it to


async def _logged(call: Coroutine[Any, Any, object]) -> None:
    try:
        await call
    except Exception:
        logger.exception("what was left to do after an answer failed")


def _being_cancelled() -> bool:
    """Whether somebody cancelled the current task itself."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
