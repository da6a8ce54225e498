"""Whatever happens to reservations, and on whichever store, the trial's counters are those of a plain model of it."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, time, timedelta
from typing import Any

from adapters_contract_tests.plain_trial import (
    GLOBAL_PROMPT_LIMIT,
    KEPT,
    MODES,
    POOL,
    PROMPT_LIMIT,
    Lease,
    PlainTrial,
)
from adapters_contract_tests.trial_ledgers import OnMemory, OnRedis, OnSqlite, open_ledger
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from nano_banana_lab.core.history.bookkeeping import entering
from nano_banana_lab.core.history.keys import picture_key, statistics_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import TrialRefused
from nano_banana_lab.core.quota.reservation import RESERVATIONS, Reservation, day_of, owner_key, pool_key, settling
from nano_banana_lab.core.quota.reset_quota import Forgiven, ResetQuota
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.frozen_clock import FrozenClock


class Machine(RuleBasedStateMachine):
    """Does the same to two ledgers on one store and to the model; each example begins days later, half an hour to midnight."""

    clock = FrozenClock()

    def __init__(self, binding: Any, stores: list[KeyValueStore], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._binding, self._stores, self._loop = binding, stores, loop
        self._reserved: list[Reservation] = []
        self._pass(seconds_to_another_week(self.clock.now()))
        self._prefix = f"{day_of(self.clock.now())}"
        self._owners = [OwnerId(f"{self._prefix}-{name}") for name in ("alice", "bob", "carol")]

    @initialize(cooldown=st.sampled_from([0, 30]))
    def open(self, cooldown: int) -> None:
        policy = QuotaPolicy(
            enabled=True,
            global_points=POOL,
            cooldown_seconds=cooldown,
            prompt_limit=PROMPT_LIMIT,
            global_prompt_limit=GLOBAL_PROMPT_LIMIT,
            modes=MODES,
        )
        self._model = PlainTrial(self.clock.now(), cooldown)
        self._ledgers = [open_ledger(store, policy, self.clock) for store in self._stores]
        self._reset = ResetQuota(key_values=self._stores[0], clock=self.clock)

    who = st.integers(0, 2)
    which = st.integers(0, 19)

    @rule(which=which, who=who, mode=st.sampled_from([*MODES]), count=st.integers(1, 3))
    def reserve(self, which: int, who: int, mode: str, count: int) -> None:
        owner = self._owners[who]
        refusal = self._model.refusal(owner, mode, count)
        outcome = self._run(_outcome(self._ledgers[which % 2].reserve(owner, mode, count=count)))

        if refusal:
            assert type(outcome) is refusal
            assert outcome.details["cooldown_remaining"] == self._model.wait(owner)
        else:
            assert [each.cost for each in outcome] == [MODES[mode].cost] * count
            self._model.reserve(outcome)
            self._reserved += outcome

    @rule(which=which)
    def settle(self, which: int) -> None:
        if reservation := self._pick(which):
            live = reservation.id in self._model.live
            assert self._run(settled(self._stores[0], reservation, self.clock)) is live
            if live:
                self._model.settle(reservation)

    @rule(which=which)
    def release(self, which: int) -> None:
        if reservation := self._pick(which):
            live = reservation.id in self._model.live
            assert self._run(self._ledgers[which % 2].release(reservation)) is live
            if live:
                self._model.release(reservation)

    @rule(which=which)
    def end_in_every_way_at_once(self, which: int) -> None:
        if reservation := self._pick(which):
            live = reservation.id in self._model.live
            ends = [
                settled(self._stores[1], reservation, self.clock),
                *(ledger.release(reservation) for ledger in self._ledgers),
            ]
            won = self._run(_all(*ends))
            assert sum(won) == live
            if live:
                (self._model.settle if won[0] else self._model.release)(reservation)

    @rule(which=which)
    def renew(self, which: int) -> None:
        if reservation := self._pick(which):
            live = reservation.id in self._model.live
            assert self._run(self._ledgers[which % 2].renew(reservation)) is live
            if live:
                self._model.live[reservation.id] = (reservation, Lease(self._model.now))

    @rule()
    def reap_from_all_sides(self) -> None:
        expired = self._model.expired()
        assert sum(self._run(_all(*[ledger.release_expired() for ledger in self._ledgers * 2]))) == len(expired)
        for reservation in expired:
            self._model.release(reservation)

    @rule(who=who)
    def have_a_prompt_written(self, who: int) -> None:
        owner = self._owners[who]
        refusal = self._model.prompt_refusal(owner)
        outcome = self._run(_outcome(self._ledgers[0].take_prompt_call(owner)))

        if refusal:
            assert type(outcome) is refusal
        else:
            assert outcome == self._model.today
            self._model.take_prompt_call(owner)

    @rule(who=who, days_ago=st.sampled_from([0, 0, 1]))
    def forgive_a_prompt(self, who: int, days_ago: int) -> None:
        owner, date = self._owners[who], day_of(self._model.now - timedelta(days=days_ago))
        self._run(self._ledgers[1].forgive_prompt_call(owner, date))
        self._model.forgive_prompt_call(owner, date)

    @rule(who=who)
    def reset_one(self, who: int) -> None:
        owner = self._owners[who]
        assert self._run(self._reset.user(owner)) == self._model.reset(owner)

    @rule()
    def reset_everybody(self) -> None:
        today = self._model.today
        self._model.all_calls.pop(today, 0)
        each = [self._model.reset(owner) for date, owner in self._model.seen if date == today]
        assert self._run(self._reset.everybody()) == Forgiven(
            users=len(each),
            points=self._model.pool.pop(today, 0),
            pictures=sum(one.pictures for one in each),
            prompt_calls=sum(one.prompt_calls for one in each),
        )

    @rule(seconds=st.sampled_from([10.0, 61.0, 40 * 60.0, 8 * 3600.0]))
    def let_time_pass(self, seconds: float) -> None:
        self._pass(seconds)
        self._model.let_time_pass(seconds)

    @invariant()
    def the_counters_are_those_of_the_model(self) -> None:
        model = self._model
        for owner, usage in zip(
            self._owners, self._run(_all(*[self._ledgers[1].usage(owner) for owner in self._owners])), strict=True
        ):
            assert 0 <= usage.points == model.points(model.today) <= POOL
            assert usage.points_set_aside == model.set_aside(model.today)
            made = {mode: usage.pictures.get(mode, 0) for mode in MODES}
            assert made == {mode: model.of_mode(model.today, owner, mode) for mode in MODES}
            assert all(0 <= made[mode] <= MODES[mode].limit for mode in MODES)
            assert usage.prompt_calls == model.calls[model.today, owner] <= PROMPT_LIMIT
            assert usage.global_prompt_calls == model.all_calls[model.today] <= GLOBAL_PROMPT_LIMIT
            assert usage.cooldown_remaining == model.wait(owner)

    @rule(days_ago=st.integers(1, 2))
    def look_at_an_earlier_day(self, days_ago: int) -> None:
        date = day_of(self._model.now - timedelta(days=days_ago))
        pool = self._run(self._stores[0].counters(pool_key(date)))
        assert pool.get("points", 0) == self._model.points(date)
        for owner in self._owners:
            own = self._run(self._stores[0].counters(owner_key(date, owner)))
            assert {mode: own.get(mode, 0) for mode in MODES} == {
                mode: self._model.of_mode(date, owner, mode) for mode in MODES
            }

    @rule()
    def look_who_was_here(self) -> None:
        seen = self._run(self._ledgers[0].usage.of_everybody())
        assert set(seen) == {owner for date, owner in self._model.seen if date == self._model.today}
        for owner in self._owners:
            images = self._run(self._stores[0].counters(statistics_key(owner))).get("images.basic", 0)
            assert images == self._model.pictures[owner]

    def teardown(self) -> None:
        self._pass(KEPT.total_seconds())
        assert self._run(self._stores[0].count(RESERVATIONS)) == 0
        assert self._run(self._stores[0].counters(pool_key(self._prefix))) == {}

    def _pick(self, which: int) -> Reservation | None:
        return self._reserved[which % len(self._reserved)] if self._reserved else None

    def _pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._run(self._binding.let_time_pass(seconds))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def seconds_to_another_week(now: datetime) -> float:
    then = datetime.combine(now.date() + timedelta(days=7), time(23, 30), UTC)
    return (then - now).total_seconds()


async def _all(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    return await asyncio.gather(*works)


async def _outcome(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except TrialRefused as refused:
        return refused


async def settled(store: KeyValueStore, reservation: Reservation, clock: FrozenClock) -> bool:
    """Enter a picture in the history and pay for it in the same commit; False when it was not charged nor entered."""
    history = entering(a_picture(reservation.owner, clock.now()))
    try:
        await store.commit(*history, *settling(reservation))
    except CommitRefused as refused:
        if refused.position != len(history):  # something else than the reservation was not as it should be
            raise
        return False
    return True


def a_picture(owner: OwnerId, now: datetime) -> Picture:
    new = new_id()
    return Picture(
        id=new,
        owner=owner,
        key=picture_key(owner, now, new, "image/png"),
        prompt="a corgi",
        mode=Mode.BASIC,
        aspect_ratio="1:1",
        resolution="1K",
        created_at=now,
        duration=1.0,
        mime_type="image/png",
        width=8,
        height=8,
        size_bytes=64,
        sha256="0" * 64,
        model="scripted",
        cost_usd=0.1,
    )


class LikeTheModel:
    async def test_whatever_happens_the_counters_are_those_of_the_model(
        self, store: KeyValueStore, second: KeyValueStore
    ):
        loop = asyncio.get_running_loop()
        effort = settings(max_examples=40, stateful_step_count=25, deadline=None, database=None)

        await asyncio.to_thread(
            run_state_machine_as_test, lambda: Machine(self, [store, second], loop), settings=effort
        )


class TestMemory(OnMemory, LikeTheModel): ...


class TestSqlite(OnSqlite, LikeTheModel): ...


class TestRedis(OnRedis, LikeTheModel): ...
