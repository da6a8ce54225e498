"""A clock that stands still until told otherwise."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FrozenClock:
    """A `Clock` whose time passes only through `advance`."""

    def __init__(self, now: datetime = START) -> None:
        """Raises ValueError for a time without a time zone."""
        if now.tzinfo is None:
            raise ValueError("a clock needs a time zone")
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Let `seconds` pass and return the new time. Raises ValueError for a negative number: time never goes back."""
        if seconds < 0:
            raise ValueError("time never goes back")
        self._now += timedelta(seconds=seconds)
        return self._now
