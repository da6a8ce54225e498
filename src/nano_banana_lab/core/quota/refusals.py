"""Why the trial does not pay.

TrialRefused                it does not pay for this now
 ├── QuotaExceeded          nothing left for today
 │    ├── PoolExhausted          of the points of all users together
 │    ├── LimitReached           of one user's pictures of one mode
 │    ├── PromptPoolExhausted    of the prompt-writing calls of all users together
 │    └── PromptLimitReached     of one user's prompt-writing calls
 └── CooldownActive         too soon after the one before
"""

import math
from typing import ClassVar

import msgspec

from nano_banana_lab.core.quota.usage import Usage
from nano_banana_lab.core.shared.errors import LabError


class TrialRefused(LabError):
    """The trial does not pay for this now. `retry_after` is in whole seconds, at least 1.

    Details: `global_remaining` (points), `mode_remaining` (pictures or prompt-writing calls), `cooldown_remaining` (seconds).
    """

    code: ClassVar[str] = "quota_exceeded"
    sentence = "The trial does not pay for this right now."

    def __init__(self, usage: Usage, mode: str | None = None) -> None:
        self.retry_after = max(1, math.ceil(usage.seconds_to_reset))
        super().__init__(
            global_remaining=usage.points_left,
            mode_remaining=usage.pictures_left(mode) if mode else usage.prompt_calls_left,
            cooldown_remaining=usage.cooldown_remaining,
        )


class QuotaExceeded(TrialRefused):
    """Nothing left for today."""

    sentence = "The trial quota for today is used up; it starts again at 00:00 UTC."


class PoolExhausted(QuotaExceeded):
    """All users together have spent the day's points, or too few are left for this."""

    sentence = "Not enough trial points are left for all users today; they start again at 00:00 UTC."


class LimitReached(QuotaExceeded):
    """The user has made all the pictures of this mode that a day allows."""

    sentence = "Your trial quota for this mode is used up for today; it starts again at 00:00 UTC."


class PromptPoolExhausted(QuotaExceeded):
    """All users together have had as many prompts written as a day allows."""

    sentence = "Today's trial quota of all users for writing prompts is used up; it starts again at 00:00 UTC."


class PromptLimitReached(QuotaExceeded):
    """The user has had all the prompts written that a day allows."""

    sentence = "Your trial quota for writing prompts is used up for today; it starts again at 00:00 UTC."


class CooldownActive(TrialRefused):
    """Too soon after the user's last generation."""

    code = "cooldown_active"
    sentence = "Please wait {cooldown_remaining} s before the next generation."

    def __init__(self, usage: Usage, mode: str | None = None) -> None:
        """The cooldown that refused may have ended since: then a second is what there is to say."""
        usage = msgspec.structs.replace(usage, cooldown_remaining=max(1, usage.cooldown_remaining))
        super().__init__(usage, mode)
        self.retry_after = usage.cooldown_remaining


def refusal(usage: Usage, mode: str, count: int) -> TrialRefused | None:
    """What reserving `count` pictures of a mode of the price list would be refused with now; None when it would not."""
    if usage.points_left < count * usage.policy.modes[mode].cost:
        return PoolExhausted(usage, mode)
    if usage.pictures_left(mode) < count:
        return LimitReached(usage, mode)
    if usage.cooldown_remaining:
        return CooldownActive(usage, mode)
    return None
