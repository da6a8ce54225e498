"""The `EventBus` on a Redis or Valkey server.

| what     | Redis key              | type   | dies                                                           |
|----------|------------------------|--------|----------------------------------------------------------------|
| channel  | `nbl:events/{channel}` | stream | with its time to live                                          |
| the bell | `nbl:bell`             | stream | 30 days after the last event of all; holds about 1000 names    |

Each publish is one call of `publish.lua`, and so one round trip and atomic.
Works on Redis 7 or newer and Valkey, alone or behind Sentinel; not on Cluster, where one script cannot span slots.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from redis.asyncio import Redis

from nano_banana_lab.adapters.redis import bell
from nano_banana_lab.adapters.redis.commands import DEADLINE_SECONDS, Commands, Script
from nano_banana_lab.core.tasks.event_limits import Position, check_publish, checked_position
from nano_banana_lab.core.tasks.ports import Event, QueueUnavailable

LOOKS_AT_ONCE = 2
"""So many connections do for any number of readers; a look takes a fraction of a millisecond."""

_BELL_OUTLIVES_ITS_LAST_ID = 30 * 86_400_000
"""Milliseconds. A clock may go back so far without an id going back, even when nothing is posted all the while."""

_WHERE = {None: "anywhere", True: "empty", False: "begun"}
"""How `publish.lua` is told in which channels to post."""


class RedisEventBus:
    """Shared by every process that reaches the server; time is the server's clock.

    `client` stays the caller's to close, after `aclose`; `connection.connect` makes a suitable one.
    Readers, however many wait, use up to three of its connections, and none while nobody reads.
    Whatever Redis answers with an error (out of memory, read-only, loading, busy, not permitted) is `QueueUnavailable`.
    """

    def __init__(self, client: Redis) -> None:
        self._redis = Commands(client, QueueUnavailable)
        self._publish = Script.load("publish.lua")
        self._bell = bell.Bell(self._redis)
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def publish(
        self, channel: str, events: Sequence[tuple[str, bytes]], *, ttl: float, if_empty: bool | None = None
    ) -> list[str]:
        check_publish(channel, events, ttl)
        if not events:
            return []
        settings = (channel, round(ttl * 1000), _BELL_OUTLIVES_ITS_LAST_ID, bell.KEPT_RINGS, _WHERE[if_empty])
        posted = [part for event in events for part in event]
        ids = await self._redis.run(self._publish, [_stream(channel), bell.KEY], [*settings, *posted], may_repeat=False)
        return [event_id.decode() for event_id in ids]

    async def read(self, channel: str, *, after: str | None = None, wait: float = 0, limit: int = 100) -> list[Event]:
        look = partial(self._look, channel, checked_position(channel, after, limit), limit)
        if wait <= 0:
            return await look()
        with self._bell.listening(channel) as news:
            return await news.read(look, wait=wait)

    async def aclose(self) -> None:
        """Let go of the connection that waits; who waits for an event gets `QueueUnavailable`."""
        await self._bell.aclose()

    async def _look(self, channel: str, behind: Position, limit: int) -> list[Event]:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._turns:
                start = "({}-{}".format(*behind)
                rows = await self._redis.ask("XRANGE", _stream(channel), start, "+", "COUNT", limit)
        except TimeoutError as error:
            raise QueueUnavailable from error
        return [Event(id=row.decode(), name=fields[1].decode(), data=fields[3]) for row, fields in rows]


def _stream(channel: str) -> str:
    return f"nbl:events/{channel}"
