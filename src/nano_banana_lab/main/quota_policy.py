"""The trial's rules, from the settings."""

from nano_banana_lab.core.quota.modes import QUOTA_MODES, QuotaMode
from nano_banana_lab.core.quota.policy import QuotaPolicy, with_auto_limits
from nano_banana_lab.main.settings import QuotaSource, Settings


def quota_policy(settings: Settings) -> QuotaPolicy:
    """In `auto` mode every limit follows the pool, whatever the `TRIAL_*_LIMIT` say; costs are the same in both."""
    modes = {key: _mode(key, mode, settings) for key, mode in QUOTA_MODES.items()}
    if settings.trial_quota_mode is QuotaSource.AUTO:
        modes = with_auto_limits(modes, settings.trial_global_quota)
    return QuotaPolicy(
        enabled=settings.trial_enabled,
        global_points=settings.trial_global_quota,
        cooldown_seconds=settings.trial_cooldown_seconds,
        prompt_limit=settings.trial_prompt_limit,
        global_prompt_limit=settings.trial_prompt_global_limit,
        modes=modes,
    )


def _mode(key: str, mode: QuotaMode, settings: Settings) -> QuotaMode:
    cost, limit = getattr(settings, f"trial_{key}_cost"), getattr(settings, f"trial_{key}_limit")
    return QuotaMode(name=mode.name, cost=cost, limit=limit)
