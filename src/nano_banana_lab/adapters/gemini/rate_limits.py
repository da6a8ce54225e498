"""What a 429 means: too fast, out of today's quota, out of budget, or never allowed (GEMINI.md section 4)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nano_banana_lab.core.generation.ports import UpstreamRateLimited

_NO_QUOTA_AT_ALL = re.compile(r"limit: 0(?![.\d])")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def rate_limit(message: str, details: Sequence[Mapping[str, Any]]) -> UpstreamRateLimited:
    """The error for a 429 with this message and these `google.rpc` details; both may be empty."""
    if "spending cap" in message.lower():
        return UpstreamRateLimited(reason="spending_cap")
    if _NO_QUOTA_AT_ALL.search(message):
        return UpstreamRateLimited(reason="paid_only")
    if any("PerDay" in quota for quota in _quotas(details)):
        return UpstreamRateLimited(reason="daily", retry_after=seconds_until_quota_day(datetime.now(UTC)))
    return UpstreamRateLimited(retry_after=_retry_delay(details))


def seconds_until_quota_day(now: datetime) -> float:
    """From `now` to the next midnight in California, when Google's daily quotas start anew."""
    there = now.astimezone(_pacific())
    tomorrow = (there + timedelta(days=1)).date()
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=there.tzinfo)
    return midnight.timestamp() - now.timestamp()


def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a system without time zone data; in summer this says an hour too long
        return timezone(timedelta(hours=-8))


def _quotas(details: Iterable[Mapping[str, Any]]) -> list[str]:
    violations = [item for detail in details if isinstance(found := detail.get("violations"), list) for item in found]
    return [str(item.get("quotaId", "")) for item in violations if isinstance(item, Mapping)]


def _retry_delay(details: Iterable[Mapping[str, Any]]) -> float | None:
    delays = (detail.get("retryDelay") for detail in details)
    matches = (_SECONDS.fullmatch(delay) for delay in delays if isinstance(delay, str))
    return next((float(match[1]) for match in matches if match), None)
