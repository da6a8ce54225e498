"""Times as the contract writes them: RFC 3339 in UTC, to the millisecond."""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from nano_banana_lab.core.shared.errors import ValidationFailed

Timestamp = Annotated[
    str, msgspec.Meta(examples=["2026-11-22T14:03:05.120Z"], extra_json_schema={"extra": {"format": "date-time"}})
]

_LOST_PLUS = re.compile(r"(:[\d.:]+) (\d\d:\d\d)$")
"""A bare + in a query arrives as a space; the one before an offset, not the one between date and time."""


def rfc3339(moment: datetime) -> str:
    """`moment` such as `2026-11-22T14:03:05.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str | None, *, field: str) -> datetime | None:
    """An RFC 3339 time, or a date (its first moment); UTC unless it says otherwise. Empty is None.

    Raises `ValidationFailed` naming `field`.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationFailed.of(field, "bad_time") from error
