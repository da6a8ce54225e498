"""A store that fails while an outcome is being kept: it is kept all the same, and nobody takes its key meanwhile."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any, Self

import pytest
from tests.http.once import KEY, SOON, Watched, Work, begun, done, outcomes, released

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.storage.lease import LEASE_SECONDS, RENEW_AFTER_SECONDS
from nano_banana_lab.core.storage.operations import Delete, Operation, Put
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.http.idempotent_outcomes import IdempotencyConflict
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer

DOWN = StoreUnavailable("key-value store")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def is_outcome(operation: Operation) -> bool:
    return isinstance(operation, Put) and b'"finished"' in operation.value


class Severing:
    """The way to a Redis on which the first commit of an outcome loses its connection, on its way there or back."""

    def __init__(self, server: RedisServer, *, on_the_way_back: bool) -> None:
        self._port = server.port
        self._on_the_way_back = on_the_way_back
        self.severed = 0

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self._listener.wait_closed()

    async def _pass_on(self, asking: asyncio.StreamReader, answered: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_connection("127.0.0.1", self._port)
        answering = asyncio.create_task(_copy(answers, answered))
        while (data := await asking.read(65536)) and (self.severed or b'"finished"' not in data):
            commands.write(data)
        answering.cancel()
        await asyncio.wait([answering])
        if data:
            self.severed += 1
            if self._on_the_way_back:
                commands.write(data)
                await answers.read(1)
        _reset(answered)
        commands.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Without the usual goodbye."""
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


@pytest.mark.parametrize("on_the_way_back", [False, True], ids=["before it was done", "after it was done"])
async def test_a_connection_that_is_reset_while_an_outcome_is_kept_costs_nothing(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, *, on_the_way_back: bool
):
    redis_server.flush()
    async with Severing(redis_server, on_the_way_back=on_the_way_back) as way, connect(way.url) as client:
        store, again = RedisKeyValueStore(client), Work()
        first = await done(Work(), store)
        repeat, replayed = await done(again, store)

    assert (way.severed, caplog.records) == (1, [])
    assert (first, again.times_begun) == ((Work().answer, False), 0)
    assert (repeat.body, replayed) == (first[0].body, True)


class Unkept(Watched):
    """Takes everything but outcomes, until it is mended."""

    mended = False

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.refused = asyncio.Event()

    async def commit(self, *operations: Operation) -> Any:
        if is_outcome(operations[0]) and not self.mended:
            self.refused.set()
            raise DOWN
        return await super().commit(*operations)


@pytest.fixture
def insistent() -> Iterator[None]:
    """What has been paid for is saved again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nano_banana_lab.core.storage.insist.RETRY_AFTER_SECONDS", (SOON,) * 100_000)
        yield


@pytest.mark.usefixtures("insistent")
async def test_the_key_stays_taken_until_the_outcome_is_kept(clock: FrozenClock):
    store, work = Unkept(clock), Work()
    running = await begun(work, store, renewal_seconds=SOON)
    work.released.set()
    await store.refused.wait()
    for _ in range(3):
        await store.renewals(1)
        clock.advance(LEASE_SECONDS - 1)

    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    store.mended = True
    assert await running == (work.answer, False)
    assert (await done(Work(), store))[1] is True


@pytest.mark.usefixtures("insistent")
async def test_what_is_cut_off_before_its_outcome_is_kept_leaves_the_key_taken_for_a_lease(clock: FrozenClock):
    store, work = Unkept(clock), Work()
    here = outcomes(store)
    running = asyncio.create_task(here.once(KEY, "f", work))
    work.released.set()
    await store.refused.wait()
    await here.paid_calls.finish(0)
    store.mended = True

    with pytest.raises(ShuttingDown):
        await running
    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    clock.advance(LEASE_SECONDS)
    assert (await done(Work(), store))[1] is False


class NeverFree(Watched):
    """Hangs when a key is to be free, until it is mended."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.mended = asyncio.Event()

    async def commit(self, *operations: Operation) -> Any:
        if isinstance(operations[0], Delete):
            await self.mended.wait()
        return await super().commit(*operations)


async def test_a_failure_is_told_also_while_its_key_cannot_be_freed(clock: FrozenClock, monkeypatch: Any):
    monkeypatch.setattr("nano_banana_lab.http.idempotent_outcomes.FREE_SECONDS", SOON)
    store, work = NeverFree(clock), Work(503)
    here = outcomes(store)
    work.released.set()
    told = await here.once(KEY, "f", work)
    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    store.mended.set()
    await here.paid_calls.finish(60)

    assert told == (work.answer, False)
    assert (await done(Work(), store))[1] is False


class RenewedMeanwhile(Watched):
    """The lease, which had run out, is renewed between the two tries to keep the outcome."""

    async def commit(self, *operations: Operation) -> Any:
        (operation,) = operations
        assert isinstance(operation, Put)
        if not is_outcome(operation):
            self.lease = operation
        elif operation.if_absent:
            await super().commit(self.lease)
        return await super().commit(operation)


async def test_a_renewal_does_not_get_in_the_way_of_the_outcome(clock: FrozenClock, caplog: pytest.LogCaptureFixture):
    store, work = RenewedMeanwhile(clock), Work()
    running = await begun(work, store)
    clock.advance(LEASE_SECONDS)
    await released(work, running)

    assert caplog.records == []
    assert (await store.get(KEY) or b"").count(b'"finished"') == 1


class Pauses:
    """In the place of `asyncio`: keeps how long so many pauses would be, waits for none, and never ends the one after."""

    def __init__(self, count: int) -> None:
        self.seen: list[float] = []
        self.all_seen = asyncio.Event()
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        if len(self.seen) == self._count:
            self.all_seen.set()
            await asyncio.Event().wait()
        self.seen.append(seconds)
        await asyncio.sleep(0)


async def test_after_a_renewal_that_failed_the_next_one_comes_in_a_second(
    clock: FrozenClock, unreliable: Any, mishap: Any, monkeypatch: pytest.MonkeyPatch
):
    pauses, work = Pauses(5), Work()
    monkeypatch.setattr("nano_banana_lab.core.storage.lease.asyncio", pauses)
    running = await begun(work, unreliable(Watched(clock), mishap(DOWN, "commit", at=3, times=2)))
    await pauses.all_seen.wait()
    await released(work, running)

    assert pauses.seen == [RENEW_AFTER_SECONDS, RENEW_AFTER_SECONDS, 1, 1, RENEW_AFTER_SECONDS]
