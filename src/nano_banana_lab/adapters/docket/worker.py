"""Docket's worker, and what it lacks to never give away what it still runs.

Docket's own (0.27) stops saying that it holds its names as soon as it waits for their runs to end: when it is told to
stop, and whenever Redis fails it. Other workers then take the names of runs that go on; it takes none itself meanwhile.
So here Redis never seems to fail, since what fails is sent again below Docket, and signs of life last as long as the runs.

Importing this module takes a quarter of a second; import it in a thread.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from docket import CurrentExecution, Docket, Execution, Worker
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nano_banana_lab.adapters.docket.connection import LabDocket, Patience, connected, trouble_of
from nano_banana_lab.core.tasks.run_logged import Run, run_logged

_log = logging.getLogger(__name__)

_FORGOTTEN_AFTER = timedelta(hours=1)
"""A worker looks for names ten times a second, so one that has not done so for this long is no more."""


async def work(url: str, run: Run, *, concurrency: int, redelivery_seconds: float) -> None:
    """`TaskQueue.work`, with connections of its own. Docket is never cancelled, only told that it is over."""
    runs, patience, over = _Runs(run), Patience(-1), asyncio.Event()
    docket = LabDocket(url, runs.deliver)
    life = _SignsOfLife(docket, runs, patience, redelivery_seconds)
    worker = _Worker(
        docket,
        name=life.worker_name,
        concurrency=concurrency,
        redelivery_timeout=timedelta(seconds=redelivery_seconds),
        reconnection_delay=timedelta(seconds=1),
        minimum_check_interval=timedelta(milliseconds=100),
        scheduling_resolution=timedelta(days=1),  # nothing is ever scheduled for later
        schedule_automatic_tasks=False,
    )
    serving = asyncio.create_task(_serve(worker, life, patience, over))
    try:
        await asyncio.wait([serving])
    except asyncio.CancelledError:
        patience.update_retries(1)
        over.set()
        await runs.last(serving)
        raise
    serving.result()  # only a broken Docket ends by itself


async def _serve(worker: "_Worker", life: "_SignsOfLife", patience: Patience, over: asyncio.Event) -> None:
    async with connected(worker.docket, patience, life.greet):
        living = asyncio.create_task(life.go_on())
        try:
            async with worker:  # at whose end Docket takes nothing more, and waits for what it has
                working = asyncio.create_task(worker.run_forever())
                leaving = asyncio.create_task(over.wait())
                await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
            await working
        finally:
            life.over.set()
            await living


class _Worker(Worker):
    async def _cancellation_listener(self) -> None:
        """No run is ever cancelled by name; Docket would listen ten times a second, and warn of an outage every second."""
        if self._processing_session is not None:
            self._processing_session.cancellation_ready.set()


class _Runs:
    """The runs of one worker, each in a task that nothing ends but itself and `last`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.messages: set[bytes] = set()
        """What Redis calls the deliveries of these names."""

    async def deliver(self, execution: Execution = CurrentExecution()) -> None:  # noqa: B008 - how Docket injects
        """Run the name, or wait for it with whoever runs it here already. Ends as cancelled if the run does."""
        assert execution.message_id is not None
        self.messages.add(execution.message_id)
        task = self._tasks.get(execution.key) or self._start(execution.key)
        await asyncio.wait([task])
        self.messages.discard(execution.message_id)
        if task.cancelled():
            raise asyncio.CancelledError

    def _start(self, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(run_logged(self._run, name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name))
        return task

    async def last(self, working: asyncio.Task[None]) -> None:
        """Wait for the worker, which waits for them; cancelled meanwhile, cancel them."""
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.wait([working])
            raise


class _SignsOfLife:
    """Says four times in each redelivery timeout that the names run here are not abandoned."""

    def __init__(self, docket: Docket, runs: _Runs, patience: Patience, redelivery_seconds: float) -> None:
        self.worker_name = f"{socket.gethostname()}#{os.getpid()}#{secrets.token_hex(4)}"
        self._docket = docket
        self._runs = runs
        self._patience = patience
        self._interval = redelivery_seconds / 4
        self._heard = time.monotonic()
        self._is_heard = True
        self.over = asyncio.Event()

    async def go_on(self) -> None:
        """Until it is `over`."""
        await self._trouble_in(self._forget_the_dead())  # after which the next worker will do it
        while not self.over.is_set():
            trouble = await self._trouble_in(self._give()) or self._patience.trouble(self._interval)
            self._note(trouble)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval / (16 if trouble else 1)):
                    await self.over.wait()

    async def _trouble_in(self, sign: Awaitable[None]) -> str | None:
        try:
            async with asyncio.timeout(self._interval):
                await sign
        except TimeoutError:
            return self._patience.last_trouble
        except RedisError as error:
            return trouble_of(error)
        return None

    async def greet(self, connection: Any) -> None:
        """Begin a connection; after a silence, by keeping everybody from looking for abandoned names for a while.

        Names look abandoned when Redis comes back with all it knew; whoever lives has until then to say so.
        """
        await connection.on_connect()
        if time.monotonic() - self._heard > 2 * self._interval:
            milliseconds = round(2000 * self._interval)
            await connection.send_command("SET", self._docket.redelivery_sweep_key, "an outage", "PX", milliseconds)
            await connection.read_response()

    async def _give(self) -> None:
        stream, group = self._docket.stream_key, self._docket.worker_group_name
        async with self._docket.redis() as redis:
            if self._runs.messages:
                held = list(self._runs.messages)
                await redis.xclaim(stream, group, self.worker_name, 0, held, idle=0, justid=True)
            else:
                await redis.exists(stream)
        self._heard = time.monotonic()

    def _note(self, trouble: str | None) -> None:
        if self._is_heard and trouble is not None:
            _log.warning("The task queue %s; names wait, runs go on", trouble)
        elif not self._is_heard and trouble is None:
            _log.warning("The task queue answers again")
        self._is_heard = trouble is None

    async def _forget_the_dead(self) -> None:
        """Redis keeps every reader of a stream for ever; those that hold nothing and never came back can go."""
        stream, group = self._docket.stream_key, self._docket.worker_group_name
        async with self._docket.redis() as redis:
            if isinstance(redis, Redis):
                for reader in await redis.xinfo_consumers(stream, group):
                    if not reader["pending"] and reader["idle"] > _FORGOTTEN_AFTER / timedelta(milliseconds=1):
                        await redis.xgroup_delconsumer(stream, group, reader["name"])
