"""The `TaskQueue` on Docket: Redis Streams, or Docket's own stand-in for Redis in this process's memory.

Every name is a Docket task whose key is the name, so that Docket refuses one that waits or is being run.
On Redis everything is under `nbl:tasks:`. What concerns a name dies 15 minutes after its run has ended;
what stays is one stream, empty when nothing is to be done, and the list of workers.
Whoever can write to that Redis can have their own code run here: Docket pickles.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from nano_banana_lab.core.tasks.ports import QueueState, QueueUnavailable, check_task_names
from nano_banana_lab.core.tasks.run_logged import Run

if TYPE_CHECKING:
    from docket import Docket

_T = TypeVar("_T")

DEADLINE_SECONDS = 4.0
"""Nothing but `work` takes longer."""

REDELIVERY_SECONDS = 15.0
"""What a worker gave no sign of for so long, another one takes.

One of them looks for such names every 3 to 5 seconds, and after an outage leaves time for signs: together below 30.
"""

_AT_ONCE = 100
"""Names in one round trip; preparing them holds up the event loop for some milliseconds."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""A name is due at once, whatever the clocks say."""


class DocketTaskQueue:
    """`url` is `redis://`, `rediss://` or `unix://` as in `adapters.redis.connection`, or `memory://` and any name.

    Queues on the same `memory://` name share their content within one event loop.
    Loads Docket and connects when it is first used. Raises ValueError for another kind of URL.
    """

    def __init__(self, url: str, *, redelivery_seconds: float = REDELIVERY_SECONDS) -> None:
        _check_address(url)
        self._url = url
        self._redelivery_seconds = redelivery_seconds
        self._opening = asyncio.Lock()
        self._docket: Docket | None = None
        self._connections = AsyncExitStack()

    async def submit(self, names: Sequence[str]) -> None:
        check_task_names(names)

        async def line_up(docket: "Docket") -> None:
            (task,) = docket.tasks
            calls = [docket.call(task, when=_LONG_AGO, key=name)() for name in names]
            for execution in await docket.add_many(calls, chunk_size=_AT_ONCE):
                if execution.schedule_exception is not None:
                    raise execution.schedule_exception

        await self._in_time(line_up)

    async def work(self, run: Run, *, concurrency: int) -> None:
        work = await asyncio.to_thread(_loaded_work)
        await work(self._url, run, concurrency=concurrency, redelivery_seconds=self._redelivery_seconds)

    async def state(self) -> QueueState:
        return await self._in_time(_state)

    async def aclose(self) -> None:
        """Close every connection; a `work` that is under way has its own."""
        async with self._opening:
            self._docket = None
            await self._connections.aclose()

    async def _in_time(self, ask: Callable[["Docket"], Awaitable[_T]]) -> _T:
        """What it answers. It is left alone after the deadline: in redis-py a cancellation may get lost."""
        asking = asyncio.ensure_future(self._ask(ask))
        asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        try:
            await asyncio.wait([asking], timeout=DEADLINE_SECONDS)
            if not asking.done():
                raise QueueUnavailable from TimeoutError(f"no answer within {DEADLINE_SECONDS} s")
            return asking.result()
        finally:
            asking.cancel()

    async def _ask(self, ask: Callable[["Docket"], Awaitable[_T]]) -> _T:
        try:
            return await ask(await self._opened())
        except Exception as error:
            if _is_outage(error):
                raise QueueUnavailable from error
            raise

    async def _opened(self) -> "Docket":
        async with self._opening:
            if self._docket is None:
                docket, connecting = await asyncio.to_thread(_loaded_docket, self._url)
                await self._connections.enter_async_context(connecting)
                self._docket = docket
            return self._docket


async def _state(docket: "Docket") -> QueueState:
    alive_since = time.time() - docket.heartbeat_interval.total_seconds() * docket.missed_heartbeats
    async with docket.redis() as redis:
        workers = await redis.zrangebyscore(docket.workers_set, alive_since, "+inf")
        known = await redis.xlen(docket.stream_key)
        readers = await redis.xinfo_groups(docket.stream_key) if known else []
    running = sum(each["pending"] for each in readers)
    return QueueState(waiting=max(0, known - running), running=running, workers=len(workers))


def _check_address(url: str) -> None:
    """Raise ValueError unless a queue can be there. What is wrong is not said: it may be a piece of the password."""
    try:
        address = urlsplit(url)
        usable = address.scheme in {"redis", "rediss", "unix"} or bool(address.scheme == "memory" and address.netloc)
        _ = address.port
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("a task queue is at redis://, rediss://, unix:// or memory://NAME")


def _loaded_docket(url: str) -> tuple["Docket", AbstractAsyncContextManager[None]]:
    from nano_banana_lab.adapters.docket import connection  # noqa: PLC0415 - takes a quarter of a second

    docket = connection.LabDocket(url, connection.submitted)
    # Submitting twice is submitting once, so a connection that broke meanwhile need not be noticed.
    return docket, connection.connected(docket, connection.Patience(2))


def _loaded_work() -> Callable[..., Awaitable[None]]:
    from nano_banana_lab.adapters.docket.worker import work  # noqa: PLC0415 - takes a quarter of a second

    return work


def _is_outage(error: Exception) -> bool:
    from redis.exceptions import RedisError  # noqa: PLC0415 - loaded by then

    return isinstance(error, RedisError | OSError | TimeoutError)
