"""Write again what a store did not take because it was away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nano_banana_lab.core.storage.ports import StoreUnavailable

T = TypeVar("T")

RETRY_AFTER_SECONDS = (0.2, 1.0, 2.0, 4.0, 8.0)
"""Long enough for a Redis that restarts or fails over. A store that hangs takes up to 5 seconds more at each try."""


LOOK_AGAIN_SECONDS = 5.0
"""How often a store is asked that has been away for longer than anybody insists."""


async def insist(write: Callable[[], Awaitable[T]]) -> T:
    """What `write` returns, called again while it raises `StoreUnavailable`: six times within about 15 seconds.

    For what has been paid for and would be lost otherwise. A store may have done as it was told although its answer
    was lost, so `write` MUST do no harm when it is applied twice, and recognise what an earlier try of its own left.
    Raises the last try's `StoreUnavailable`, and at once whatever else `write` raises.
    """
    for delay in RETRY_AFTER_SECONDS:
        try:
            return await write()
        except StoreUnavailable:
            await asyncio.sleep(delay)
    return await write()


async def at_last(write: Callable[[], Awaitable[T]]) -> T:
    """What `write` returns once the store is back, however long that takes; `write` is as `insist` wants it."""
    while True:
        try:
            return await insist(write)
        except StoreUnavailable:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
