"""The trial's limits, and the midnight at which they start anew."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.quota.modes import QUOTA_MODES
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import CooldownActive, LimitReached, PoolExhausted
from nano_banana_lab.core.quota.reservation import pool_key
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.testing.frozen_clock import FrozenClock

ALICE, BOB = OwnerId("alice"), OwnerId("bob")


def trial(**rules: Any) -> QuotaPolicy:
    return QuotaPolicy(enabled=True, **({"cooldown_seconds": 60} | rules))


async def used(lab: Any) -> tuple[int, int, int]:
    """Points, pictures and seconds of cooldown."""
    usage = await lab.usage(ALICE)
    return usage.points, sum(usage.pictures.values()), usage.cooldown_remaining


async def test_an_empty_pool_refuses_everybody_until_midnight(open_lab: Any) -> None:
    lab = open_lab(policy=trial(global_points=2), clock=FrozenClock(datetime(2026, 11, 22, 22, 0, 0, 1, tzinfo=UTC)))
    await lab.generate()
    with pytest.raises(PoolExhausted) as refused:
        await lab.generate(owner=BOB, resolution=Resolution.FOUR_K)

    assert (refused.value.code, refused.value.retry_after) == ("quota_exceeded", 7200)
    assert refused.value.details == {"global_remaining": 1, "mode_remaining": 10, "cooldown_remaining": 0}
    assert len(lab.model.requests) == 1


async def test_a_users_limit_of_a_mode_refuses_that_user_and_mode_only(open_lab: Any) -> None:
    lab = open_lab(policy=trial(cooldown_seconds=0, global_points=1000))
    for _ in range(10):
        await lab.generate(resolution=Resolution.FOUR_K)
    with pytest.raises(LimitReached) as refused:
        await lab.generate(resolution=Resolution.FOUR_K)

    assert refused.value.details == {"global_remaining": 970, "mode_remaining": 0, "cooldown_remaining": 0}
    assert await lab.generate()
    assert await lab.generate(owner=BOB, resolution=Resolution.FOUR_K)


async def test_refusals_end_at_midnight_at_the_latest_and_never_at_once(open_lab: Any) -> None:
    lab = open_lab(policy=trial(global_points=0))
    waits = []
    for moment in ("00:00:00", "23:59:58", "23:59:59.999"):
        lab.clock.advance((datetime.fromisoformat(f"2026-11-23T{moment}Z") - lab.clock.now()) / timedelta(seconds=1))
        with pytest.raises(PoolExhausted) as refused:
            await lab.generate()
        waits.append(refused.value.retry_after)

    assert waits == [86400, 2, 1]


async def test_a_picture_begun_before_midnight_counts_for_the_day_before(open_lab: Any) -> None:
    lab = open_lab(policy=trial(), clock=FrozenClock(datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)))
    lab.model.hold()
    making = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    lab.clock.advance(20)
    lab.model.release()
    made = await making

    assert made.picture.created_at.day == 23
    assert await used(lab) == (0, 0, 40)
    assert await lab.key_values.counters(pool_key("2026-11-22")) == {"points": 1, "points.settled": 1}


async def test_a_failure_after_midnight_gives_back_to_the_day_before(open_lab: Any) -> None:
    lab = open_lab(policy=trial(cooldown_seconds=0), clock=FrozenClock(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)))
    await lab.generate()
    lab.model.hold()
    lab.model.then(UpstreamFailed())
    failing = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(2)
    lab.clock.advance(61)
    today = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(3)
    lab.model.release()
    await asyncio.gather(failing, today, return_exceptions=True)

    assert await lab.key_values.counters(pool_key("2026-11-22")) == {"points": 1, "points.settled": 1}
    assert await used(lab) == (1, 1, 0)


async def test_at_midnight_utc_everything_but_a_cooldown_starts_anew(open_lab: Any) -> None:
    lab = open_lab(
        policy=trial(cooldown_seconds=30, global_points=1, prompt_limit=1),
        clock=FrozenClock(datetime(2026, 11, 22, 23, 59, 40, tzinfo=UTC)),
    )
    await lab.generate()
    await lab.ledger.take_prompt_call(ALICE)
    lab.clock.advance(19.999)
    with pytest.raises(PoolExhausted):
        await lab.generate(owner=BOB)
    lab.clock.advance(0.001)
    usage = await lab.usage(ALICE)

    assert (usage.date, usage.points_left, usage.prompt_calls_left, usage.cooldown_remaining) == (
        "2026-11-23",
        1,
        1,
        10,
    )
    assert await lab.generate(owner=BOB)


async def test_what_costs_no_points_is_made_when_none_are_left(open_lab: Any) -> None:
    """Also when the operator has made the pool smaller than what was spent of it."""
    free = {key: type(mode)(name=mode.name, cost=0, limit=2) for key, mode in QUOTA_MODES.items()}
    before = open_lab(policy=trial())
    await before.generate(owner=BOB)
    lab = open_lab(policy=trial(global_points=0, cooldown_seconds=0, modes=free), key_values=before.key_values)
    for _ in range(2):
        await lab.generate()

    with pytest.raises(LimitReached):
        await lab.generate()


class LateAnswers:
    """A store whose answers take two seconds."""

    def __init__(self, store: Any, clock: FrozenClock) -> None:
        self._store = store
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, *operations: Any) -> Any:
        try:
            return await self._store.commit(*operations)
        finally:
            self._clock.advance(2)


async def test_a_refusal_just_before_midnight_tells_of_the_day_that_refused(open_lab: Any) -> None:
    clock = FrozenClock(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    lab = open_lab(
        policy=trial(global_points=0), clock=clock, key_values=LateAnswers(MemoryKeyValueStore(clock), clock)
    )
    with pytest.raises(PoolExhausted) as refused:
        await lab.generate()

    assert refused.value.retry_after == 1
    assert refused.value.details["global_remaining"] == 0


async def test_a_cooldown_that_ended_while_it_refused_is_told_as_a_second(open_lab: Any) -> None:
    clock = FrozenClock()
    lab = open_lab(
        policy=trial(cooldown_seconds=3), clock=clock, key_values=LateAnswers(MemoryKeyValueStore(clock), clock)
    )
    await lab.ledger.reserve(ALICE, "basic_1k")
    with pytest.raises(CooldownActive) as refused:
        await lab.ledger.reserve(ALICE, "basic_1k")

    assert (refused.value.retry_after, refused.value.details["cooldown_remaining"]) == (1, 1)


async def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_a_cooldown(open_lab: Any) -> None:
    lab = open_lab(policy=trial(cooldown_seconds=3), clock=FrozenClock(datetime(2026, 11, 22, 12, tzinfo=UTC)))
    await lab.generate()
    earlier = open_lab(
        policy=lab.policy, clock=FrozenClock(datetime(2026, 11, 22, 7, tzinfo=UTC)), key_values=lab.key_values
    )

    assert (await earlier.usage(ALICE)).cooldown_remaining == 3
