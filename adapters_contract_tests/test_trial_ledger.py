"""The trial's money when many reach for it at once, through two connections to one store."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from adapters_contract_tests.test_trial_ledger_model import settled
from adapters_contract_tests.trial_ledgers import OnMemory, OnRedis, OnSqlite, open_ledger

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.modes import QUOTA_MODES, QuotaMode
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import CooldownActive, LimitReached, PoolExhausted, TrialRefused
from nano_banana_lab.core.quota.reservation import LEASE_SECONDS, RESERVATIONS, Reservation
from nano_banana_lab.core.quota.reset_quota import ResetQuota
from nano_banana_lab.core.quota.usage import Usage
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.frozen_clock import FrozenClock

ALICE, BOB = OwnerId("alice"), OwnerId("bob")
COSTS = {"chat": 1, "blend": 2, "basic_4k": 3}
PLENTY = {key: QuotaMode(name=key, cost=cost, limit=1000) for key, cost in COSTS.items()}


def policy(**rules: Any) -> QuotaPolicy:
    return QuotaPolicy(enabled=True, **({"cooldown_seconds": 0, "modes": PLENTY} | rules))


class Racing:
    """`ledgers` are two processes that share a store."""

    @pytest.fixture
    def now(self) -> FrozenClock:
        return FrozenClock()

    @pytest.fixture
    def stores(self, store: KeyValueStore, second: KeyValueStore) -> list[KeyValueStore]:
        return [store, second]

    @pytest.fixture
    def ledgers(self, stores: list[KeyValueStore], now: FrozenClock) -> list[Ledger]:
        return [open_ledger(store, policy(), now) for store in stores]

    async def test_of_sixty_that_race_for_the_pool_exactly_the_affordable_succeed(self, ledgers: list[Ledger]):
        wishes = [(mode, ledger) for ledger in ledgers for mode in PLENTY for _ in range(10)]
        outcomes = await outcomes_of(*[ledger.reserve(ALICE, mode) for mode, ledger in wishes])

        usage = await ledgers[0].usage(ALICE)
        refused = [COSTS[mode] for (mode, _), outcome in zip(wishes, outcomes, strict=True) if not outcome]
        assert usage.points == sum(each.cost for outcome in outcomes if outcome for each in outcome) <= 50
        assert len(refused) > 20
        assert all(cost > usage.points_left for cost in refused)

    async def test_a_batch_is_reserved_as_a_whole_or_not_at_all(self, ledgers: list[Ledger]):
        batches = [ledger.reserve(OwnerId(f"user-{n}"), "basic_4k", count=3) for n in range(6) for ledger in ledgers]
        outcomes = await outcomes_of(*batches)

        sizes = [len(outcome) for outcome in outcomes if outcome]
        assert sizes == [3] * 5
        assert (await ledgers[0].usage(ALICE)).points == 45

    async def test_racing_users_stop_at_their_own_limits(self, stores: list[KeyValueStore], now: FrozenClock):
        ledgers = [open_ledger(store, policy(global_points=1000, modes=QUOTA_MODES), now) for store in stores]
        users = [OwnerId(f"user-{n}") for n in range(3)]
        await outcomes_of(*[ledger.reserve(user, "blend") for ledger in ledgers for user in users for _ in range(8)])

        usages = [await ledgers[0].usage(user) for user in users]
        assert [usage.pictures for usage in usages] == [{"blend": 10}] * 3
        assert usages[0].points == 60

    async def test_of_racing_requests_of_one_user_the_cooldown_lets_one_through(
        self, stores: list[KeyValueStore], now: FrozenClock
    ):
        ledgers = [open_ledger(store, policy(cooldown_seconds=60), now) for store in stores]
        outcomes = await outcomes_of(*[ledgers[n % 2].reserve(ALICE, "chat") for n in range(20)])

        assert len([outcome for outcome in outcomes if outcome]) == 1
        assert (await ledgers[0].usage(ALICE)).points == 1

    async def test_a_refusal_says_why_and_changes_nothing(self, stores: list[KeyValueStore], now: FrozenClock):
        scarce = {key: msgspec.structs.replace(mode, limit=3) for key, mode in PLENTY.items()}
        ledger = open_ledger(stores[0], policy(global_points=10, cooldown_seconds=60, modes=scarce), now)
        await ledger.reserve(ALICE, "basic_4k", count=2)
        before = await ledger.usage(ALICE)

        assert await refusal_of(ledger.reserve(BOB, "basic_4k", count=2)) is PoolExhausted
        assert await refusal_of(ledger.reserve(BOB, "chat", count=4)) is LimitReached
        assert await refusal_of(ledger.reserve(ALICE, "chat")) is CooldownActive
        assert await ledger.usage(ALICE) == before
        assert await ledger.usage.of_everybody() == {ALICE: before}

    async def test_reapers_at_once_release_each_expired_reservation_once(
        self, ledgers: list[Ledger], stores: list[KeyValueStore], now: FrozenClock
    ):
        for _ in range(25):
            await ledgers[0].reserve(ALICE, "blend")
        now.advance(LEASE_SECONDS + 1)
        released = await asyncio.gather(*[ledger.release_expired() for ledger in ledgers * 3])

        assert sum(released) == 25
        assert (await ledgers[0].usage(ALICE)).points == 0
        assert await stores[1].count(RESERVATIONS) == 0

    async def test_a_reservation_that_is_renewed_is_not_reaped(self, ledgers: list[Ledger], now: FrozenClock):
        [kept], [lost] = await ledgers[0].reserve(ALICE, "chat"), await ledgers[0].reserve(ALICE, "blend")
        now.advance(LEASE_SECONDS)
        assert await ledgers[0].renew(kept)
        too_early = await ledgers[1].release_expired()
        now.advance(0.001)
        reaped = await ledgers[1].release_expired()

        assert (too_early, reaped, await ledgers[0].renew(lost)) == (0, 1, False)
        assert (await ledgers[1].usage(ALICE)).pictures == {"chat": 1, "blend": 0}

    async def test_of_settlement_release_and_reaper_exactly_one_wins(
        self, ledgers: list[Ledger], stores: list[KeyValueStore], now: FrozenClock
    ):
        settlements = 0
        for n in range(18):
            [reservation] = await ledgers[0].reserve(ALICE, "blend")
            now.advance(LEASE_SECONDS + 1)
            settlement, reaper = settled(stores[n % 2], reservation, now), ledgers[0].release_expired()
            won = await in_turn_from(n % 3, [settlement, ledgers[1].release(reservation), reaper])
            assert sum(won) == 1
            settlements += won[0]

        usage = await ledgers[0].usage(ALICE)
        assert (usage.points, usage.points_set_aside) == (2 * settlements, 0)
        assert usage.pictures == {"blend": settlements}

    async def test_points_come_back_while_others_race_for_them(self, ledgers: list[Ledger]):
        """Forty reserve and give back, again and again; none is lost, and never is there one too many."""
        seen: list[Usage] = []

        async def come_and_go(ledger: Ledger, mode: str) -> None:
            for _ in range(4):
                for each in (await outcomes_of(ledger.reserve(ALICE, mode)))[0]:
                    seen.append(await ledger.usage(ALICE))
                    assert await ledger.release(each)
                    assert not await ledger.release(each)

        await asyncio.gather(*[come_and_go(ledgers[n % 2], mode) for n in range(14) for mode in PLENTY])
        assert {usage.points <= 50 for usage in seen} == {True}
        assert (await ledgers[0].usage(ALICE)).points == 0

    async def test_resets_beside_a_running_lab_leave_the_books_right(
        self, ledgers: list[Ledger], stores: list[KeyValueStore], now: FrozenClock
    ):
        resets = [ResetQuota(key_values=store, clock=now) for store in stores]

        async def make_pictures(ledger: Ledger, store: KeyValueStore, user: OwnerId) -> None:
            for n in range(6):
                for each in (await outcomes_of(ledger.reserve(user, "blend")))[0]:
                    await (settled(store, each, now) if n % 2 else ledger.release(each))

        work = [make_pictures(ledgers[n % 2], stores[n % 2], user) for n in range(4) for user in (ALICE, BOB)]
        await asyncio.gather(*work, *[reset.everybody() for reset in resets * 3])

        left = await ledgers[0].usage(ALICE)
        assert (left.points_set_aside, left.points % 2) == (0, 0)
        assert (await resets[0].everybody()).points == left.points
        assert [await used(ledgers[1], user) for user in (ALICE, BOB)] == [(0, 0)] * 2


class TestMemory(OnMemory, Racing): ...


class TestSqlite(OnSqlite, Racing): ...


class TestRedis(OnRedis, Racing):
    async def test_every_step_of_a_reservation_is_one_round_trip(
        self, ledgers: list[Ledger], stores: list[KeyValueStore], now: FrozenClock
    ):
        [first], [second] = await ledgers[0].reserve(ALICE, "chat"), await ledgers[0].reserve(BOB, "chat")
        await ledgers[0].release_expired()  # from now on the server knows the scripts

        assert await self.sent_by(ledgers[0].reserve(ALICE, "blend", count=3)) == ["EVALSHA"]
        assert await self.sent_by(ledgers[0].renew(first)) == ["EVALSHA"]
        assert await self.sent_by(settled(stores[0], first, now)) == ["EVALSHA"]
        assert await self.sent_by(ledgers[0].release(second)) == ["EVALSHA"]
        assert await self.sent_by(ledgers[0].release_expired()) == ["EVALSHA"]

    async def sent_by(self, work: Coroutine[Any, Any, Any]) -> list[str]:
        """The commands that reached the server from outside while `work` was done."""
        async with aclosing(connect(self.address)) as client, client.monitor() as monitor:
            await client.echo("begin")
            await work
            await client.echo("end")
            seen = list[str]()
            while "ECHO end" not in seen:
                command = await monitor.next_command()
                if command["client_type"] == "tcp":
                    seen.append(command["command"])
        return [command.split()[0] for command in seen[seen.index("ECHO begin") + 1 : -1]]


async def outcomes_of(*reserving: Coroutine[Any, Any, list[Reservation]]) -> list[list[Reservation]]:
    """What each got; nothing for those that were refused."""

    async def outcome(work: Coroutine[Any, Any, list[Reservation]]) -> list[Reservation]:
        try:
            return await work
        except TrialRefused:
            return []

    return await asyncio.gather(*map(outcome, reserving))


async def refusal_of(work: Coroutine[Any, Any, Any]) -> type[TrialRefused]:
    with pytest.raises(TrialRefused) as refused:
        await work
    return type(refused.value)


async def used(ledger: Ledger, user: OwnerId) -> tuple[int, int]:
    usage = await ledger.usage(user)
    return usage.points, sum(usage.pictures.values())


async def in_turn_from(first: int, works: list[Coroutine[Any, Any, Any]]) -> list[int]:
    """What each answers, in the order given; they begin at once, the `first` one a little ahead."""
    order = [(first + n) % len(works) for n in range(len(works))]
    answers = await asyncio.gather(*[works[at] for at in order])
    return [int(answers[order.index(at)]) for at in range(len(works))]
