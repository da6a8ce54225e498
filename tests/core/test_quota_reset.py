"""An operator lets the day's trial start again, beside a lab that goes on making pictures."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reservation import settling
from nano_banana_lab.core.quota.reset_quota import Forgiven, ResetQuota
from nano_banana_lab.core.quota.usage import Usage
from nano_banana_lab.core.shared.ids import OwnerId

ALICE, BOB = OwnerId("alice"), OwnerId("bob")
Event = Callable[[], Awaitable[Any]]


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=0))


def reset_of(lab: Any, store: Any = None) -> ResetQuota:
    return ResetQuota(key_values=store or lab.key_values, clock=lab.clock)


async def spend(lab: Any, owner: OwnerId, mode: str) -> None:
    [reservation] = await lab.ledger.reserve(owner, mode)
    await lab.key_values.commit(*settling(reservation))


class Interrupted:
    """A store on which something else happens just before the calls of these numbers."""

    def __init__(self, store: Any, events: Mapping[int, list[Event]]) -> None:
        self._store = store
        self._events = events
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            for event in self._events.get(self.calls, []):
                await event()
            return await getattr(self._store, name)(*args, **kwargs)

        return call


async def test_resetting_a_user_forgives_pictures_and_prompts_and_leaves_the_pool(lab: Any) -> None:
    for owner, mode in ((ALICE, "blend"), (ALICE, "chat"), (BOB, "chat")):
        await spend(lab, owner, mode)
    await lab.ledger.take_prompt_call(ALICE)
    forgiven = await reset_of(lab).user(ALICE)

    usage = await lab.usage(ALICE)
    assert forgiven == Forgiven(users=1, points=0, pictures=2, prompt_calls=1)
    assert (usage.points, usage.prompt_calls, sum(usage.pictures.values())) == (4, 0, 0)
    assert (await lab.usage(BOB)).pictures == {"chat": 1}


async def test_resetting_everybody_fills_the_pool_again(lab: Any) -> None:
    for owner, mode in ((ALICE, "blend"), (ALICE, "chat"), (BOB, "basic_4k")):
        await spend(lab, owner, mode)
    forgiven = await reset_of(lab).everybody()

    usage = await lab.usage(BOB)
    assert forgiven == Forgiven(users=2, points=6, pictures=3, prompt_calls=0)
    assert (usage.points_left, usage.pictures_left("basic_4k")) == (50, 10)


async def test_a_reset_ends_the_cooldown(open_lab: Any) -> None:
    lab = open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=60))
    await spend(lab, ALICE, "chat")
    waited = (await lab.usage(ALICE)).cooldown_remaining
    await reset_of(lab).user(ALICE)

    assert (waited, (await lab.usage(ALICE)).cooldown_remaining) == (60, 0)
    assert await lab.ledger.reserve(ALICE, "chat")


async def test_what_is_set_aside_outlives_a_reset_and_is_given_back_after_it(lab: Any) -> None:
    [being_made] = await lab.ledger.reserve(ALICE, "blend")
    await spend(lab, ALICE, "blend")
    await reset_of(lab).everybody()
    meanwhile = await lab.usage(ALICE)
    await lab.ledger.release(being_made)

    assert (meanwhile.points, meanwhile.points_set_aside, meanwhile.pictures) == (2, 2, {"blend": 1})
    assert (await lab.usage(ALICE)).points == 0


async def test_a_reset_leaves_yesterday_alone(lab: Any) -> None:
    [begun_yesterday] = await lab.ledger.reserve(ALICE, "blend")
    lab.clock.advance(86400)
    await spend(lab, ALICE, "chat")
    forgiven = await reset_of(lab).everybody()

    assert (forgiven.points, forgiven.pictures) == (1, 1)
    assert await lab.key_values.counters(f"quota/{begun_yesterday.date}/pool") == {"points": 2}


async def test_resetting_when_nothing_was_used_forgives_nothing(lab: Any) -> None:
    assert await reset_of(lab).user(ALICE) == Forgiven(users=1, points=0, pictures=0, prompt_calls=0)
    assert await reset_of(lab).everybody() == Forgiven(users=0, points=0, pictures=0, prompt_calls=0)


async def test_at_whatever_moment_others_reserve_settle_and_release_no_point_is_lost(open_lab: Any) -> None:
    """Every way to put the three between the calls of a reset: before each of them, and after the last."""
    for moments in itertools.product(range(1, 8), repeat=3):
        lab = open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=0))
        usage, calls = await _reset_with_events_at(lab, moments)

        assert calls == 6, "the moments cover every call"
        assert usage.points - COST in (0, COST), moments
        assert usage.pictures["blend"] - 1 in (0, 1), moments


COST = 2


async def _reset_with_events_at(lab: Any, moments: tuple[int, ...]) -> tuple[Usage, int]:
    """One picture was made before. Of two being made, one is released and one settled; a third is begun."""
    await spend(lab, ALICE, "blend")
    goes, stays = [(await lab.ledger.reserve(ALICE, "blend"))[0] for _ in range(2)]
    events: list[Event] = [
        lambda: lab.ledger.release(goes),
        lambda: lab.key_values.commit(*settling(stays)),
        lambda: lab.ledger.reserve(ALICE, "blend"),
    ]
    at = {number: [events[n] for n in range(3) if moments[n] == number] for number in moments}
    store = Interrupted(lab.key_values, at)
    await reset_of(lab, store).everybody()
    calls = store.calls
    for late in at.get(7, []):
        await late()
    return await lab.usage(ALICE), calls


async def test_two_resets_at_once_forgive_once(lab: Any) -> None:
    await spend(lab, ALICE, "blend")
    [being_made] = await lab.ledger.reserve(ALICE, "blend")
    for number in (1, 2, 3):
        store = Interrupted(lab.key_values, {number: [lambda: reset_of(lab).user(ALICE)]})
        await reset_of(lab, store).user(ALICE)

        assert (await lab.usage(ALICE)).pictures == {"blend": 1}
    assert await lab.ledger.release(being_made)
    assert (await lab.usage(ALICE)).pictures == {"blend": 0}
