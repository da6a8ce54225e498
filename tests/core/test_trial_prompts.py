"""Prompts that are written for trial users cost no points, and there are only so many a day."""

from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import PromptLimitReached, PromptPoolExhausted
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE, BOB, CAROL = OwnerId("alice"), OwnerId("bob"), OwnerId("carol")


def trial(**rules: Any) -> QuotaPolicy:
    return QuotaPolicy(enabled=True, **rules)


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=trial())


async def test_prompt_calls_are_counted_up_to_their_limit_and_cost_no_points(open_lab: Any) -> None:
    lab = open_lab(policy=trial(prompt_limit=2))
    for _ in range(2):
        async with Trial(ledger=lab.ledger).prompt_call(ALICE, own_key=False):
            pass
    with pytest.raises(PromptLimitReached) as refused:
        async with Trial(ledger=lab.ledger).prompt_call(ALICE, own_key=False):
            pytest.fail("this call was not to be made")

    assert refused.value.details == {"global_remaining": 50, "mode_remaining": 0, "cooldown_remaining": 0}
    assert refused.value.retry_after == 12 * 3600
    assert (await lab.usage(ALICE)).points == 0


async def test_all_users_together_have_so_many_calls_a_day(open_lab: Any) -> None:
    lab = open_lab(policy=trial(global_prompt_limit=2))
    for owner in (ALICE, BOB):
        await lab.ledger.take_prompt_call(owner)
    with pytest.raises(PromptPoolExhausted) as refused:
        await lab.ledger.take_prompt_call(CAROL)
    left = [(await lab.usage(owner)).prompt_calls_left for owner in (ALICE, CAROL)]
    lab.clock.advance(86400)

    assert (refused.value.details["mode_remaining"], refused.value.retry_after, left) == (0, 12 * 3600, [0, 0])
    assert await lab.ledger.take_prompt_call(CAROL) == "2026-11-23"


async def test_what_one_user_is_refused_is_not_counted_for_all(open_lab: Any) -> None:
    lab = open_lab(policy=trial(prompt_limit=1))
    await lab.ledger.take_prompt_call(ALICE)
    with pytest.raises(PromptLimitReached):
        await lab.ledger.take_prompt_call(ALICE)

    assert (await lab.usage(BOB)).global_prompt_calls == 1


async def test_a_call_that_is_charged_stays_counted_whatever_comes_of_it(lab: Any) -> None:
    with pytest.raises(UpstreamFailed):
        await failing_call(lab, charged=True)

    assert ((usage := await lab.usage(ALICE)).prompt_calls, usage.global_prompt_calls) == (1, 1)


async def failing_call(lab: Any, *, seconds: float = 0, charged: bool = False) -> None:
    async with Trial(ledger=lab.ledger).prompt_call(ALICE, own_key=False) as call:
        call.charged = charged
        lab.clock.advance(seconds)
        raise UpstreamFailed


async def test_a_prompt_call_that_costs_nothing_is_not_counted(lab: Any) -> None:
    with pytest.raises(UpstreamFailed):
        await failing_call(lab)

    assert ((usage := await lab.usage(ALICE)).prompt_calls, usage.global_prompt_calls) == (0, 0)


async def test_a_prompt_call_that_fails_after_midnight_is_uncounted_the_day_before(lab: Any) -> None:
    await lab.ledger.take_prompt_call(ALICE)
    with pytest.raises(UpstreamFailed):
        await failing_call(lab, seconds=86400)

    assert await lab.key_values.counters("quota/2026-11-22/owner/alice") == {"prompts": 1}
    assert await lab.ledger.take_prompt_call(ALICE) == "2026-11-23"


async def test_a_prompt_call_is_not_made_while_the_store_is_away(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab()
    away = unreliable(lab.key_values, mishap(StoreUnavailable("key value store"), "commit"))
    lab = open_lab(policy=trial(), key_values=away)

    with pytest.raises(StoreUnavailable):
        await failing_call(lab)


async def test_a_failed_prompt_call_says_why_it_failed_also_when_the_store_is_away(
    lab: Any, open_lab: Any, unreliable: Any, mishap: Any
) -> None:
    away = unreliable(lab.key_values, mishap(StoreUnavailable("key value store"), "commit", at=2))

    with pytest.raises(UpstreamFailed):
        await failing_call(open_lab(policy=trial(), clock=lab.clock, key_values=away))


@pytest.mark.parametrize(("enabled", "own_key"), [(True, True), (False, False)], ids=["own key", "trial off"])
async def test_prompt_calls_that_the_trial_does_not_pay_are_not_counted(
    open_lab: Any, *, enabled: bool, own_key: bool
) -> None:
    lab = open_lab(policy=QuotaPolicy(enabled=enabled, prompt_limit=0))
    async with Trial(ledger=lab.ledger).prompt_call(ALICE, own_key=own_key):
        pass

    assert (await lab.usage(ALICE)).prompt_calls == 0
