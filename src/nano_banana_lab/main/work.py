"""Run the items of tasks, in the service itself or in a process that does nothing else."""

import asyncio
import logging
import signal

from dishka import AsyncContainer

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.main.chores import do_chores
from nano_banana_lab.main.setting_warnings import log_warnings
from nano_banana_lab.main.settings import Settings

logger = logging.getLogger(__name__)


async def work(container: AsyncContainer, *, concurrency: int) -> None:
    """Take up to `concurrency` items at once, until the process is being stopped; then take nothing more."""
    queue, paid_calls = await container.get(TaskQueue), await container.get(PaidCalls)
    working = asyncio.create_task(queue.work(await container.get(RunItem), concurrency=concurrency))
    stopping = asyncio.create_task(paid_calls.closing.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait((working, stopping))


async def serve_tasks(container: AsyncContainer, *, concurrency: int, grace_seconds: float) -> int:
    """Work until SIGTERM or SIGINT; what has begun is finished within `grace_seconds`, and at a second signal at once."""
    paid_calls, loop, hurry = await container.get(PaidCalls), asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        (hurry.set if paid_calls.closed else paid_calls.close)()

    log_warnings(await container.get(Settings))
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    chores = asyncio.create_task(do_chores(container))
    working = asyncio.create_task(work(container, concurrency=concurrency))
    logger.info("working", extra={"concurrency": concurrency})
    await paid_calls.closing.wait()
    logger.info("shutting down", extra={"generations": paid_calls.running, "grace_seconds": grace_seconds})
    finishing = asyncio.create_task(paid_calls.finish(grace_seconds))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait((finishing, hurrying), return_when=asyncio.FIRST_COMPLETED)
    cut_off = await paid_calls.finish(0)
    for task in (chores, working, finishing, hurrying):
        task.cancel()
    await asyncio.gather(chores, working, finishing, hurrying, return_exceptions=True)
    if cut_off:
        logger.warning("generations cut off", extra={"generations": cut_off})
    return 0
