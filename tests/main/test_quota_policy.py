"""The trial's rules, as the settings make them."""

from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nano_banana_lab.core.quota.modes import QUOTA_MODES
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.main.quota_policy import quota_policy
from nano_banana_lab.main.read_settings import SettingsError, read_settings

RATIOS = dict(zip(QUOTA_MODES, [".60", ".20", ".40", ".30", ".10", ".30", ".20"], strict=True))
"""The contract's, in the order of its price list."""


def policy_of(**environ: Any) -> QuotaPolicy:
    return quota_policy(read_settings({name: str(value) for name, value in environ.items()}))


def limits(policy: QuotaPolicy) -> list[int]:
    return [mode.limit for mode in policy.modes.values()]


def costs(policy: QuotaPolicy) -> list[int]:
    return [mode.cost for mode in policy.modes.values()]


def test_without_settings_the_rules_are_the_price_list_and_the_trial_is_off() -> None:
    assert policy_of() == QuotaPolicy(
        enabled=False,
        global_points=50,
        cooldown_seconds=3,
        prompt_limit=30,
        global_prompt_limit=300,
        modes=QUOTA_MODES,
    )
    assert list(QUOTA_MODES) == ["basic_1k", "basic_4k", "chat", "batch_1k", "batch_4k", "search", "blend"]
    assert (limits(policy_of()), costs(policy_of())) == ([30, 10, 20, 15, 5, 15, 10], [1, 3, 1, 1, 3, 2, 2])


def test_the_trial_is_as_the_settings_say() -> None:
    policy = policy_of(TRIAL_ENABLED="true", TRIAL_GLOBAL_QUOTA=700, TRIAL_COOLDOWN_SECONDS=0)
    calls = policy_of(TRIAL_PROMPT_LIMIT=5, TRIAL_PROMPT_GLOBAL_LIMIT=0)

    assert (policy.enabled, policy.global_points, policy.cooldown_seconds) == (True, 700, 0)
    assert (calls.prompt_limit, calls.global_prompt_limit) == (5, 0)


@pytest.mark.parametrize("key", QUOTA_MODES)
def test_every_modes_limit_and_cost_can_be_set_and_leaves_the_others_alone(key: str) -> None:
    policy = policy_of(**{f"TRIAL_{key.upper()}_LIMIT": 41, f"TRIAL_{key.upper()}_COST": 7})

    assert (policy.modes[key].limit, policy.modes[key].cost, policy.modes[key].name) == (41, 7, QUOTA_MODES[key].name)
    assert {other: policy.modes[other] for other in policy.modes if other != key} == {
        other: mode for other, mode in QUOTA_MODES.items() if other != key
    }


@pytest.mark.parametrize("key", QUOTA_MODES)
def test_every_mode_may_be_made_free_and_may_be_closed(key: str) -> None:
    policy = policy_of(**{f"TRIAL_{key.upper()}_LIMIT": 0, f"TRIAL_{key.upper()}_COST": 0})

    assert (policy.modes[key].limit, policy.modes[key].cost) == (0, 0)


def test_auto_limits_follow_the_pool() -> None:
    assert limits(policy_of(TRIAL_QUOTA_MODE="auto")) == [30, 3, 20, 15, 1, 7, 5]
    assert limits(policy_of(TRIAL_QUOTA_MODE="auto", TRIAL_GLOBAL_QUOTA=1000)) == [600, 66, 400, 300, 33, 150, 100]


def test_auto_limits_are_at_least_one() -> None:
    assert limits(policy_of(TRIAL_QUOTA_MODE="auto", TRIAL_GLOBAL_QUOTA=0)) == [1] * 7


def test_auto_ignores_given_limits_and_heeds_given_costs() -> None:
    policy = policy_of(TRIAL_QUOTA_MODE="auto", TRIAL_CHAT_LIMIT=3, TRIAL_CHAT_COST=4)

    assert (policy.modes["chat"].limit, policy.modes["chat"].cost) == (5, 4)


@given(points=st.integers(0, 1_000_000_000), cost=st.integers(1, 1_000_000_000))
@example(points=50, cost=3)
@example(points=999_999_999, cost=1)
@example(points=5, cost=1)  # .60 of 5 is 3 exactly, and not quite that in binary fractions
def test_auto_limits_are_rounded_down_exactly(points: int, cost: int) -> None:
    given_costs = {f"TRIAL_{key.upper()}_COST": cost for key in QUOTA_MODES}
    policy = policy_of(TRIAL_QUOTA_MODE="auto", TRIAL_GLOBAL_QUOTA=points, **given_costs)

    assert limits(policy) == [max(1, floor(points * Fraction(ratio) / cost)) for ratio in RATIOS.values()]


def test_auto_limits_of_what_is_free_are_those_of_what_costs_one_point() -> None:
    assert policy_of(TRIAL_QUOTA_MODE="auto", TRIAL_SEARCH_COST=0).modes["search"].limit == 15


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRIAL_ENABLED", "perhaps"),
        ("TRIAL_GLOBAL_QUOTA", "-1"),
        ("TRIAL_GLOBAL_QUOTA", "1.5"),
        ("TRIAL_GLOBAL_QUOTA", "1000000001"),
        ("TRIAL_COOLDOWN_SECONDS", "-3"),
        ("TRIAL_COOLDOWN_SECONDS", "86401"),
        ("TRIAL_COOLDOWN_SECONDS", "0.5"),
        ("TRIAL_QUOTA_MODE", "automatic"),
        ("TRIAL_PROMPT_LIMIT", "many"),
        ("TRIAL_PROMPT_GLOBAL_LIMIT", "-1"),
        ("TRIAL_BASIC_1K_LIMIT", "-1"),
        ("TRIAL_BLEND_COST", "2.5"),
    ],
)
def test_a_rule_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({name: text})

    assert [line.partition(":")[0] for line in refused.value.wrong] == [name]
