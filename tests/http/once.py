"""Something to be done once under a key, and a store that is watched while it is done."""

import asyncio
from typing import Any

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.storage.operations import Operation, Put
from nano_banana_lab.http.idempotent_outcomes import Answer, IdempotentOutcomes
from nano_banana_lab.testing.frozen_clock import FrozenClock

KEY = "idempotency/anonymous/0"
SOON = 0.001


class Work:
    """Something to be done once. It goes on until released."""

    def __init__(self, status: int = 200) -> None:
        self.answer = Answer(
            status=status, headers=(("content-type", "text/plain"), ("date", "now")), body=b"\x00\xffdone"
        )
        self.begun, self.times_begun, self.released = asyncio.Event(), 0, asyncio.Event()

    async def __call__(self) -> Answer:
        self.times_begun += 1
        self.begun.set()
        await self.released.wait()
        return self.answer


class Watched(MemoryKeyValueStore):
    """Tells how often somebody has tried to replace a value."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.tried = 0
        self._another = asyncio.Event()

    async def commit(self, *operations: Operation) -> Any:
        if isinstance(operations[0], Put) and operations[0].if_equals is not None:
            self.tried += 1
            self._another.set()
        return await super().commit(*operations)

    async def renewals(self, count: int) -> None:
        """Return once another `count` were tried, and the last of them is over."""
        until = self.tried + count + 1
        async with asyncio.timeout(30):  # a lease that nobody renews fails the test instead of holding it for ever
            while self.tried < until:
                self._another.clear()
                await self._another.wait()


def outcomes(store: Any, **options: Any) -> IdempotentOutcomes:
    return IdempotentOutcomes(key_values=store, paid_calls=PaidCalls(), ttl_seconds=86400, **options)


async def done(work: Work, store: Any, **options: Any) -> tuple[Answer, bool]:
    work.released.set()
    return await outcomes(store, **options).once(KEY, "f", work)


async def begun(work: Work, store: Any, **options: Any) -> asyncio.Task[Any]:
    running = asyncio.create_task(outcomes(store, **options).once(KEY, "f", work))
    await work.begun.wait()
    return running


async def released(work: Work, running: asyncio.Task[Any]) -> tuple[Answer, bool]:
    work.released.set()
    return await running
