"""What every `TaskQueue` does with a run that it delivers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

Run = Callable[[str], Awaitable[None]]

_log = logging.getLogger(__name__)


async def run_logged(run: Run, name: str) -> None:
    """Run it; whatever it raises is logged with the name, and that is the end of it.

    Ends as cancelled only when the task it runs in was told to.
    """
    try:
        await run(name)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        _log.exception("The run of %s gave up", name)
    except Exception:  # noqa: BLE001 - one name that fails must not end the others
        _log.exception("The run of %s failed", name)
