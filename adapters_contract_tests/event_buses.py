"""How the `EventBus` suites get hold of each adapter: a `bus`, and ways to let time pass, restart and see who waits."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.event_bus import RedisEventBus
from nano_banana_lab.core.tasks.ports import Event, EventBus
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer

LONG = 3600.0
"""A time to live, in seconds, of what is not meant to go away."""


async def post(bus: EventBus, channel: str, *names: str, ttl: float = LONG) -> list[str]:
    """Post events of these names at once, each with its name for data."""
    return await bus.publish(channel, [(name, name.encode()) for name in names], ttl=ttl)


async def everything(bus: EventBus, channel: str, *, limit: int) -> list[Event]:
    """All events, as a reader sees them who takes `limit` at a time."""
    seen: list[Event] = []
    while page := await bus.read(channel, after=seen[-1].id if seen else None, limit=limit):
        seen += page
    return seen


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


class InMemory:
    @pytest.fixture
    def bus(self) -> EventBus:
        self.clock = FrozenClock()
        self.newest = MemoryEventBus(self.clock)
        return self.newest

    async def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def restarted(self) -> EventBus:
        """The bus as it is after the process was restarted, which takes a moment."""
        self.clock.advance(0.001)
        return MemoryEventBus(self.clock)

    async def until_waiting(self, readers: int) -> None:
        """Return when exactly so many readers wait on `bus`, and have seen that there is nothing for them."""
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(self.newest._listeners) == readers


class InRedis:
    @pytest.fixture
    async def bus(self, redis_server: RedisServer) -> AsyncIterator[EventBus]:
        redis_server.flush()
        self.server = redis_server
        self.client = connect(redis_server.url)
        self.newest = RedisEventBus(self.client)
        yield self.newest
        await self.newest.aclose()
        await self.client.aclose()

    async def let_time_pass(self, seconds: float) -> None:
        # The server's clock cannot be moved, so the suites' times to live are short.
        await asyncio.sleep(seconds)

    async def restarted(self) -> EventBus:
        await self.newest.aclose()
        self.newest = RedisEventBus(self.client)
        return self.newest

    async def until_waiting(self, readers: int) -> None:
        async with asyncio.timeout(5):
            while self.waiting() != readers:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.002)

    def waiting(self) -> int:
        """How many readers wait, as soon as the server holds the question of the one task that waits for all of them."""
        asking = self.server.ask("INFO", "clients")["blocked_clients"]
        return len(self.newest._bell._listeners) if asking else 0
