"""Time as the lab sees it, so that tests can stop it."""

import math
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The current time."""

    def now(self) -> datetime:
        """Now, timezone-aware in UTC. MUST NOT go back by more than the host's own clock does."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the Unix epoch; the resolution at which the lab keeps times."""
    return math.floor(moment.timestamp() * 1000 + 0.5)


def from_milliseconds(since_epoch: int) -> datetime:
    """The inverse of `milliseconds`."""
    return datetime.fromtimestamp(since_epoch / 1000, UTC)
