"""The rules of the trial: what it costs, how much there is, and how often."""

from collections.abc import Mapping

import msgspec

from nano_banana_lab.core.quota.modes import QUOTA_MODES, QuotaMode

AUTO_SHARES: Mapping[str, int] = {
    "basic_1k": 60,
    "basic_4k": 20,
    "chat": 40,
    "batch_1k": 30,
    "batch_4k": 10,
    "search": 30,
    "blend": 20,
}
"""Per cent of the pool that one user may spend on each mode when limits follow the pool; together more than 100."""


class QuotaPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may do at the operator's expense; every limit is for one UTC day.

    `global_points` is one pool for all users; `modes` has the cost of a picture in points and each user's limit in pictures;
    `prompt_limit` is in prompt-writing calls of a user, which cost no points; `global_prompt_limit` in those of all users.
    While `enabled` is false nothing is counted.
    """

    enabled: bool = False
    global_points: int = 50
    cooldown_seconds: int = 3
    prompt_limit: int = 30
    global_prompt_limit: int = 300
    modes: Mapping[str, QuotaMode] = msgspec.field(default_factory=lambda: QUOTA_MODES)


def with_auto_limits(modes: Mapping[str, QuotaMode], global_points: int) -> dict[str, QuotaMode]:
    """The modes with limits that follow the pool: each user's share of it in pictures, and at least one."""
    return {
        key: msgspec.structs.replace(mode, limit=max(1, global_points * AUTO_SHARES[key] // (100 * max(1, mode.cost))))
        for key, mode in modes.items()
    }
