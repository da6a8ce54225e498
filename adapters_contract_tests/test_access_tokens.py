"""Access tokens on each store, through two connections to it: in races, and against a plain model of them."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest
from adapters_contract_tests.trial_ledgers import OnMemory, OnRedis, OnSqlite
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nano_banana_lab.core.identity.access_token import AccessToken, Scope
from nano_banana_lab.core.identity.access_tokens import MOST_TOKENS, AccessTokens, TokenWish
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.ports import AuthenticationFailed, ScopeMissing, TooManyTokens
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.errors import LabError, NotFound
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.frozen_clock import FrozenClock

DAY = 86400
ALICE = User(id="583231", login="octocat", user_folder_id="6fac44aa6f9ae93e")
FRAME = TokenWish(name="photo frame")


def open_tokens(store: KeyValueStore, clock: Clock) -> AccessTokens:
    """What one process knows of them."""
    secret = Secret("one secret of all the processes")
    return AccessTokens(key_values=store, clock=clock, secret=secret, last_used=LastUsed(store, clock))


async def outcomes_of(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    return await asyncio.gather(*[outcome_of(work) for work in works])


async def outcome_of(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except LabError as refusal:
        return refusal


class Racing:
    """`processes` are two that share a store."""

    @pytest.fixture
    def now(self) -> FrozenClock:
        return FrozenClock()

    @pytest.fixture
    def processes(self, store: KeyValueStore, second: KeyValueStore, now: FrozenClock) -> list[AccessTokens]:
        return [open_tokens(store, now), open_tokens(second, now)]

    async def test_of_more_that_are_made_at_once_as_many_are_as_there_may_be(self, processes: list[AccessTokens]):
        outcomes = await outcomes_of(*[processes[n % 2].create(Bearer.of(ALICE), FRAME) for n in range(60)])

        made = [outcome for outcome in outcomes if not isinstance(outcome, LabError)]
        assert [type(each) for each in outcomes if isinstance(each, LabError)] == [TooManyTokens] * (60 - MOST_TOKENS)
        assert {token.id for _, token in made} == {each.id for each in await processes[1].of(ALICE.owner)}
        assert len(made) == MOST_TOKENS

    async def test_at_the_cap_a_revocation_makes_room_for_one(self, processes: list[AccessTokens]):
        made = [await processes[0].create(Bearer.of(ALICE), FRAME) for _ in range(MOST_TOKENS)]
        await processes[1].revoke(ALICE.owner, made[7][1].id)
        outcomes = await outcomes_of(*[processes[n % 2].create(Bearer.of(ALICE), FRAME) for n in range(10)])

        assert sum(isinstance(outcome, TooManyTokens) for outcome in outcomes) == 9

    async def test_of_racing_revocations_exactly_one_succeeds(self, processes: list[AccessTokens]):
        _, token = await processes[0].create(Bearer.of(ALICE), FRAME)
        outcomes = await outcomes_of(*[processes[n % 2].revoke(ALICE.owner, token.id) for n in range(10)])

        assert [type(outcome) for outcome in outcomes if outcome] == [NotFound] * 9

    async def test_a_token_revoked_while_it_is_used_never_comes_back(
        self, processes: list[AccessTokens], store: KeyValueStore
    ):
        """Notes of its last use are being written meanwhile."""
        for _ in range(10):
            text, token = await processes[0].create(Bearer.of(ALICE), FRAME)
            uses = [each.recognise(text.reveal()) for each in processes]
            await outcomes_of(*uses, processes[1].revoke(ALICE.owner, token.id))
            await asyncio.gather(*[each.last_used.finish() for each in processes])

            after = await outcomes_of(*[each.recognise(text.reveal()) for each in processes])
            assert [type(each) for each in after] == [AuthenticationFailed] * 2
            assert await store.get(f"identity/token/{token.id}") is None

    async def test_that_one_was_used_is_noted_once_a_minute_and_for_all(
        self, processes: list[AccessTokens], now: FrozenClock
    ):
        text, token = await processes[0].create(Bearer.of(ALICE), FRAME)
        seen = []
        for seconds in (10, 59, 2):
            now.advance(seconds)
            await asyncio.gather(*[each.recognise(text.reveal()) for each in processes * 3])
            await asyncio.gather(*[each.last_used.finish() for each in processes])
            [listed] = await processes[1].of(ALICE.owner)
            seen.append(listed.last_used_at)

        assert seen == [token.created_at + timedelta(seconds=passed) for passed in (10, 10, 71)]


class Model(RuleBasedStateMachine):
    """Does the same to two processes on one store and to a dictionary; each example has owners of its own."""

    clock = FrozenClock()
    names = st.integers(0, 1)
    which = st.integers(0, 9)
    scopes = st.lists(st.sampled_from(Scope), min_size=1, max_size=3)
    days = st.none() | st.integers(1, 3)

    def __init__(self, binding: Any, stores: list[KeyValueStore], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._binding, self._loop = binding, loop
        self._processes = [open_tokens(store, self.clock) for store in stores]
        self._users = [User(id=name, login=name, user_folder_id=name) for name in (new_id(), new_id())]
        self._live: dict[str, AccessToken] = {}
        self._over: list[str] = []

    @rule(who=names, scopes=scopes, days=days)
    def create(self, who: int, scopes: Sequence[Scope], days: int | None) -> None:
        wish = TokenWish(name="by a person", scopes=scopes, expires_in_days=days)
        text, token = self._run(self._processes[0].create(Bearer.of(self._users[who]), wish))

        assert set(token.scopes) == set(scopes)
        self._live[text.reveal()] = token

    @rule(which=which, scopes=scopes, days=days)
    def create_by_a_token(self, which: int, scopes: Sequence[Scope], days: int | None) -> None:
        if (carried := self._pick(which)) is None:
            return
        maker = self._run(self._processes[1].recognise(carried))
        wish = TokenWish(name="by a program", scopes=scopes, expires_in_days=days)
        outcome = self._run(outcome_of(self._processes[0].create(maker, wish)))

        if not set(scopes) <= set(self._live[carried].scopes):
            assert type(outcome) is ScopeMissing
            return
        text, token = outcome
        assert self._end(token) <= self._end(self._live[carried])
        self._live[text.reveal()] = token

    @rule(which=which, who=names)
    def revoke(self, which: int, who: int) -> None:
        if (carried := self._pick(which)) is None:
            return
        owner, token = self._users[who].owner, self._live[carried]
        outcome = self._run(outcome_of(self._processes[which % 2].revoke(owner, token.id)))

        assert (outcome is None) is (token.user.owner == owner)
        if outcome is None:
            self._end_of(carried)

    @rule(hours=st.sampled_from([1, 23, 24, 36]))
    def let_time_pass(self, hours: int) -> None:
        self.clock.advance(hours * 3600)
        self._run(self._binding.let_time_pass(hours * 3600))
        for carried, token in list(self._live.items()):
            if token.expires_at is not None and token.expires_at <= self.clock.now():
                self._end_of(carried)

    @invariant()
    def whoever_should_be_is_let_in_and_nobody_else(self) -> None:
        for process in self._processes:
            for carried, token in self._live.items():
                bearer = self._run(process.recognise(carried))
                assert (bearer.owner, bearer.scopes) == (token.user.owner, token.scopes)
            for carried in self._over:
                assert type(self._run(outcome_of(process.recognise(carried)))) is AuthenticationFailed
            self._run(process.last_used.finish())

    @invariant()
    def each_owner_finds_their_own(self) -> None:
        for user in self._users:
            listed = {each.id for each in self._run(self._processes[1].of(OwnerId(user.user_folder_id)))}
            assert listed == {token.id for token in self._live.values() if token.user == user}

    def _end(self, token: AccessToken) -> float:
        return float("inf") if token.expires_at is None else token.expires_at.timestamp()

    def _end_of(self, carried: str) -> None:
        del self._live[carried]
        self._over.append(carried)

    def _pick(self, which: int) -> str | None:
        return list(self._live)[which % len(self._live)] if self._live else None

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class LikeTheModel:
    async def test_whatever_happens_those_are_let_in_that_the_model_lets_in(
        self, store: KeyValueStore, second: KeyValueStore
    ):
        loop = asyncio.get_running_loop()
        effort = settings(max_examples=25, stateful_step_count=15, deadline=None, database=None)

        await asyncio.to_thread(run_state_machine_as_test, lambda: Model(self, [store, second], loop), settings=effort)


class TestMemory(OnMemory, Racing, LikeTheModel): ...


class TestSqlite(OnSqlite, Racing, LikeTheModel): ...


class TestRedis(OnRedis, Racing, LikeTheModel): ...
