"""How the `KeyValueStore` suites get hold of each adapter: a `store`, and a way to let time pass."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer


class InMemory:
    @pytest.fixture
    def store(self) -> KeyValueStore:
        self.clock = FrozenClock()
        return MemoryKeyValueStore(self.clock)

    async def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)


class InSqlite:
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
        self.clock = FrozenClock()
        self.address = str(tmp_path / "lab.db")
        store = SqliteKeyValueStore(Path(self.address), clock=self.clock)
        yield store
        await store.aclose()

    async def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)


class InRedis:
    @pytest.fixture
    async def store(self, redis_server: RedisServer) -> AsyncIterator[KeyValueStore]:
        redis_server.flush()
        self.address = redis_server.url
        client = connect(redis_server.url)
        yield RedisKeyValueStore(client)
        await client.aclose()

    async def let_time_pass(self, seconds: float) -> None:
        # The server's clock cannot be moved, so the suites' times to live are short.
        await asyncio.sleep(seconds)
