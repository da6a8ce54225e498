"""How keys are claimed, held and let go: by many at once on every kind of store, and when somebody fails midway."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.http.once import KEY, SOON, Watched, Work, begun, done, outcomes, released

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.storage.lease import LEASE_SECONDS
from nano_banana_lab.core.storage.operations import Put
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable
from nano_banana_lab.http.idempotent_outcomes import Answer, IdempotencyConflict
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer


class Races:
    async def test_of_many_at_once_one_works_and_the_others_wait_or_share(self, store: KeyValueStore):
        work, processes = Work(), [outcomes(store) for _ in range(8)]
        work.released.set()
        ends = await asyncio.gather(*[each.once(KEY, "f", work) for each in processes * 8], return_exceptions=True)

        assert work.times_begun == 1
        assert [end for end in ends if end == (work.answer, False)] == [(work.answer, False)]
        assert {end[1] if isinstance(end, tuple) else type(end) for end in ends} <= {True, False, IdempotencyConflict}

    async def test_of_many_different_requests_with_one_key_one_is_done(self, store: KeyValueStore):
        work = Work()
        work.released.set()
        ends = await asyncio.gather(
            *[outcomes(store).once(KEY, f"f{number}", work) for number in range(40)], return_exceptions=True
        )

        assert work.times_begun == 1
        assert sum(isinstance(end, ValidationFailed) for end in ends) == 39

    async def test_after_a_failure_one_of_many_tries_again(self, store: KeyValueStore):
        await done(Work(500), store)
        work = Work()
        work.released.set()
        await asyncio.gather(*[outcomes(store).once(KEY, "f", work) for _ in range(40)], return_exceptions=True)

        assert work.times_begun == 1

    async def test_a_repeat_gets_status_body_and_the_headers_that_belong_to_it(self, store: KeyValueStore):
        first, repeat = [await done(Work(201), store) for _ in range(2)]

        assert first == (Work(201).answer, False)
        assert repeat == (Answer(status=201, headers=(("content-type", "text/plain"),), body=b"\x00\xffdone"), True)


class TestMemory(Races):
    @pytest.fixture
    def store(self) -> KeyValueStore:
        return MemoryKeyValueStore(FrozenClock())


class TestSqlite(Races):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[KeyValueStore]:
        store = SqliteKeyValueStore(tmp_path / "lab.db")
        yield store
        await store.aclose()


class TestRedis(Races):
    @pytest.fixture
    async def store(self, redis_server: RedisServer) -> AsyncIterator[KeyValueStore]:
        redis_server.flush()
        client = connect(redis_server.url)
        yield RedisKeyValueStore(client)
        await client.aclose()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> Watched:
    return Watched(clock)


async def test_a_key_stays_taken_as_long_as_the_work_takes(store: Watched, clock: FrozenClock):
    work = Work()
    running = await begun(work, store, renewal_seconds=SOON)
    for _ in range(5):
        await store.renewals(1)
        clock.advance(LEASE_SECONDS - 1)

    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    assert await released(work, running) == (work.answer, False)


async def test_renewing_goes_on_after_an_outage(store: Watched, clock: FrozenClock, unreliable: Any, mishap: Any):
    work = Work()
    outage = mishap(StoreUnavailable("key-value store"), "commit", at=2, times=5)
    running = await begun(work, unreliable(store, outage), renewal_seconds=SOON)
    await store.renewals(1)
    clock.advance(LEASE_SECONDS - 1)

    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    assert outage.seen > 6
    await released(work, running)


async def test_a_lease_that_ran_out_unnoticed_is_taken_up_again(store: Watched, clock: FrozenClock):
    work = Work()
    running = await begun(work, store, renewal_seconds=SOON)
    clock.advance(LEASE_SECONDS)
    await store.renewals(1)

    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    await released(work, running)


async def test_an_outcome_is_kept_also_when_the_lease_ran_out_unnoticed(store: Watched, clock: FrozenClock):
    work = Work()
    running = await begun(work, store)
    clock.advance(LEASE_SECONDS)
    await released(work, running)

    assert (await done(Work(), store))[1] is True


@pytest.mark.parametrize("status", [200, 500])
async def test_whoever_lost_the_lease_leaves_the_key_to_its_new_holder(
    store: Watched, clock: FrozenClock, caplog: pytest.LogCaptureFixture, status: int
):
    late, new = Work(status), Work(202)
    losing = await begun(late, store)
    clock.advance(LEASE_SECONDS)
    winning = await begun(new, store)

    assert await released(late, losing) == (late.answer, False)
    with pytest.raises(IdempotencyConflict):
        await done(Work(), store)
    await released(new, winning)
    replay, replayed = await done(Work(), store)
    assert (replay.status, replayed) == (202, True)
    assert [record.why for record in caplog.records] == ["another request took its key"] * (status == 200)


async def test_renewing_never_touches_what_somebody_else_put_there(store: Watched):
    work = Work()
    running = await begun(work, store, renewal_seconds=SOON)
    await store.commit(Put(key=KEY, value=b"somebody else's"))
    await store.renewals(2)
    await released(work, running)

    assert await store.get(KEY) == b"somebody else's"


async def test_a_success_after_its_caller_has_gone_is_kept(store: Watched):
    work, here = Work(), outcomes(store)
    caller = asyncio.create_task(here.once(KEY, "f", work))
    await work.begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    work.released.set()
    await here.paid_calls.finish(60)

    assert caller.cancelled()
    assert (await done(Work(), store))[1] is True


async def test_work_cut_off_by_a_shutdown_frees_its_key(store: Watched):
    work, here = Work(), outcomes(store)
    caller = asyncio.create_task(here.once(KEY, "f", work))
    await work.begun.wait()
    await here.paid_calls.finish(0)

    with pytest.raises(ShuttingDown):
        await caller
    assert (await done(Work(), store))[1] is False


async def test_nothing_is_claimed_once_the_process_is_shutting_down(store: Watched):
    here = outcomes(store)
    here.paid_calls.close()

    with pytest.raises(ShuttingDown):
        await here.once(KEY, "f", Work())
    assert await store.get(KEY) is None


async def test_nothing_is_left_running_when_the_work_is_over(store: Watched):
    before = asyncio.all_tasks()
    await done(Work(), store, renewal_seconds=SOON)

    assert asyncio.all_tasks() == before
