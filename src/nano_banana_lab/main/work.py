"""Run the items of tasks, in the service itself or in a process that does nothing else."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from dishka import AsyncContainer

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.main.chores import do_chores
from nano_banana_lab.main.setting_warnings import log_warnings
from nano_banana_lab.main.settings import Settings

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""How long what failed is left alone, twice as long each time until it has gone well for so long."""


async def kept_up(name: str, act: Callable[[], Awaitable[None]]) -> None:
    """`act` until it ends well or is cancelled; each time it fails that is logged, and after a pause it begins anew."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        began = time.monotonic()
        try:
            await act()
        except Exception:
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.exception("the %s failed; it begins anew in %g s", name, pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def work(container: AsyncContainer, *, concurrency: int) -> None:
    """Take up to `concurrency` items at once, until the process is being stopped; then take nothing more.

    Raises what ends the queue's own work, which nothing should.
    """
    queue, paid_calls = await container.get(TaskQueue), await container.get(PaidCalls)
    working = asyncio.create_task(queue.work(await container.get(RunItem), concurrency=concurrency))
    stopping = asyncio.create_task(paid_calls.closing.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait((working, stopping))
    if not working.cancelled():
        working.result()


async def at_once() -> None:
    """Nothing has to happen before."""


@asynccontextmanager
async def busy(
    container: AsyncContainer, *, concurrency: int | None, once: Callable[[], Awaitable[None]] = at_once
) -> AsyncIterator[None]:
    """Do the chores meanwhile, and unless `concurrency` is None, `work`; at the end what is not finished is cut off.

    Both are `kept_up`. `once` says when to begin.
    """

    async def chores() -> None:
        await once()
        await kept_up("round of chores", lambda: do_chores(container))

    async def items(concurrency: int) -> None:
        await once()
        await kept_up("task worker", lambda: work(container, concurrency=concurrency))

    activities = [asyncio.create_task(chores())]
    if concurrency is not None:
        activities.append(asyncio.create_task(items(concurrency)))
    try:
        yield
    finally:
        for activity in activities:
            activity.cancel()
        await asyncio.gather(*activities, return_exceptions=True)


async def serve_tasks(container: AsyncContainer, *, concurrency: int, grace_seconds: float) -> int:
    """Work until SIGTERM, SIGINT or SIGHUP; what has begun is finished within `grace_seconds`, and at a second signal at once."""
    paid_calls, hurry = await container.get(PaidCalls), asyncio.Event()

    def stop() -> None:
        (hurry.set if paid_calls.closed else paid_calls.close)()

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, stop)
    log_warnings(await container.get(Settings))
    async with busy(container, concurrency=concurrency):
        logger.info("working", extra={"concurrency": concurrency})
        await paid_calls.closing.wait()
        logger.info("shutting down", extra={"generations": paid_calls.running, "grace_seconds": grace_seconds})
        cut_off = await _finish(paid_calls, grace_seconds, hurry)
    if cut_off:
        logger.warning("generations cut off", extra={"generations": cut_off})
    return 0


async def _finish(paid_calls: PaidCalls, grace_seconds: float, hurry: asyncio.Event) -> int:
    """As `PaidCalls.finish`, but without any more grace once there is a `hurry`."""
    finishing = asyncio.create_task(paid_calls.finish(grace_seconds))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait((finishing, hurrying), return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if finishing.done():
        return finishing.result()
    finishing.cancel()
    return await paid_calls.finish(0)
