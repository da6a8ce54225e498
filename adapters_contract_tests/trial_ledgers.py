"""How the trial's suites get hold of a ledger on each `KeyValueStore`: two stores on the same data, and time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite
from adapters_contract_tests.test_key_value_store_model import LET_TIME_PASS_IN_REDIS

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.redis_server import RedisServer


def open_ledger(store: KeyValueStore, policy: QuotaPolicy, clock: Clock) -> Ledger:
    usage = ReadUsage(policy=policy, key_values=store, clock=clock)
    return Ledger(policy=policy, key_values=store, usage=usage, clock=clock)


class OnMemory(InMemory):
    @pytest.fixture
    def second(self, store: KeyValueStore) -> KeyValueStore:
        return store  # what another process would open does not exist here


class OnSqlite(InSqlite):
    @pytest.fixture
    async def second(self, store: KeyValueStore) -> AsyncIterator[KeyValueStore]:
        second = SqliteKeyValueStore(Path(self.address), clock=self.clock)
        yield second
        await second.aclose()


class OnRedis(InRedis):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> RedisServer:
        self._server = redis_server
        return redis_server

    @pytest.fixture
    async def second(self, store: KeyValueStore) -> AsyncIterator[KeyValueStore]:
        client = connect(self.address)
        yield RedisKeyValueStore(client)
        await client.aclose()

    async def let_time_pass(self, seconds: float) -> None:
        await asyncio.to_thread(self._server.ask, "EVAL", LET_TIME_PASS_IN_REDIS, 0, round(seconds * 1000))
