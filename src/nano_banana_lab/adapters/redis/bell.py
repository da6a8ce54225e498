"""Tells the readers of this process when there are new events on Redis, over one connection however many wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nano_banana_lab.adapters.redis.commands import Commands
from nano_banana_lab.core.tasks.listeners import Listeners, News
from nano_banana_lab.core.tasks.ports import QueueUnavailable

KEY = "nbl:bell"
"""The stream that `publish.lua` adds the name of each channel to that has new events."""

KEPT_RINGS = 1000
"""At least so many rings are kept for those who are late to hear them."""

_FIRST = "0-0"

_BLOCK_SECONDS = 1.0
"""How long Redis holds a question while the bell is silent; so long is the connection held after the last listener."""

_PATIENCE_SECONDS = 2.0
"""When Redis says nothing for so long twice, it hangs."""


class Bell:
    """While somebody listens, one task does for all of them; it ends within a second when nobody does any more."""

    def __init__(self, redis: Commands) -> None:
        self._redis = redis
        self._listeners = Listeners()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, channel: str) -> Iterator[News]:
        """News of the channel from now on; they fail within 5 seconds of an outage."""
        with self._listeners.listening(channel) as news:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._listen())
            yield news

    async def aclose(self) -> None:
        """End the task. Whoever listens still is told that there will be no more news."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._listeners.wake_all(QueueUnavailable())

    async def _listen(self) -> None:
        try:
            await self._pass_on_rings()
        except QueueUnavailable as error:
            self._listeners.wake_all(error)

    async def _pass_on_rings(self) -> None:
        """Until nobody listens. After a failure all rings that are kept count as new; raises at the second in a row."""
        heard, failed = _FIRST, False
        while self._listeners:
            try:
                rings = await self._rings_behind(heard)
            except QueueUnavailable:
                if failed:
                    raise
                heard, failed = _FIRST, True
            else:
                self._wake(rings)
                heard, failed = rings[-1][0] if rings else heard, False

    def _wake(self, rings: list[tuple[str, str]]) -> None:
        if len(rings) >= KEPT_RINGS:  # and so there may have been more
            self._listeners.wake_all()
        for _, channel in rings:
            self._listeners.wake(channel)

    async def _rings_behind(self, heard: str) -> list[tuple[str, str]]:
        """Id and channel of each ring, waiting a while for the first."""
        command = ("XREAD", "BLOCK", round(_BLOCK_SECONDS * 1000), "STREAMS", KEY, heard)
        reply = await self._redis.ask(*command, patience=_PATIENCE_SECONDS, may_repeat=False)
        # RESP3 has maps; a client made elsewhere may speak RESP2.
        streams = reply.items() if isinstance(reply, dict) else reply or ()
        return [(ring.decode(), fields[1].decode()) for _, rings in streams for ring, fields in rings]
