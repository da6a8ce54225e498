"""How the `TaskQueue` suites get hold of each adapter: a `queue`, and the same one as `elsewhere`, in another process.

An adapter that remembers who died gets `REDELIVERY_SECONDS` to notice; `let_redelivery_pass` waits for more than that.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue
from nano_banana_lab.adapters.memory.task_queue import MemoryTaskQueue
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.testing.redis_server import RedisServer

REDELIVERY_SECONDS = 1.0


class InMemory:
    @pytest.fixture
    def queue(self) -> TaskQueue:
        return MemoryTaskQueue()

    @pytest.fixture
    def elsewhere(self, queue: TaskQueue) -> TaskQueue:
        return queue  # there is no other process

    async def let_redelivery_pass(self) -> None: ...


class InDocket:
    @pytest.fixture
    async def queue(self, address: str) -> AsyncIterator[TaskQueue]:
        queue = DocketTaskQueue(address, redelivery_seconds=REDELIVERY_SECONDS)
        yield queue
        await queue.aclose()

    @pytest.fixture
    async def elsewhere(self, address: str) -> AsyncIterator[TaskQueue]:
        queue = DocketTaskQueue(address, redelivery_seconds=REDELIVERY_SECONDS)
        yield queue
        await queue.aclose()

    async def let_redelivery_pass(self) -> None:
        await asyncio.sleep(1.5 * REDELIVERY_SECONDS)  # nobody can move the clock of Redis


class InDocketsMemory(InDocket):
    @pytest.fixture
    def address(self) -> str:
        return f"memory://{secrets.token_hex(8)}"


class InDocketOnRedis(InDocket):
    @pytest.fixture
    def address(self, redis_server: RedisServer) -> str:
        redis_server.flush()
        return redis_server.url
