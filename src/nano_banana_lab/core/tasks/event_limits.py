"""What may be posted on an `EventBus` and asked of it; every adapter checks this first."""

from collections.abc import Sequence

from nano_banana_lab.core.storage.operations import MAX_AT_ONCE, check_name, check_ttl
from nano_banana_lab.core.tasks.ports import is_event_id

Position = tuple[int, int]
"""An id as the numbers it consists of, which compare as the ids follow each other."""

START: Position = (0, 0)
"""Before every id."""


def check_publish(channel: str, events: Sequence[tuple[str, bytes]], ttl: float) -> None:
    """Raise ValueError unless `EventBus.publish` may be asked for this."""
    if len(events) > MAX_AT_ONCE:
        raise ValueError(f"at most {MAX_AT_ONCE} events at once")
    for name in (channel, *(name for name, _ in events)):
        check_name(name)
    check_ttl(ttl)


def checked_position(channel: str, after: str | None, limit: int) -> Position:
    """Where `EventBus.read` begins, behind `after`; ValueError unless it may be asked for this."""
    check_name(channel)
    if not 1 <= limit <= MAX_AT_ONCE:
        raise ValueError(f"1 to {MAX_AT_ONCE} events can be read at once")
    return START if after is None else position(after)


def position(event_id: str) -> Position:
    """The numbers of an id. Raises ValueError for one that `is_event_id` rejects."""
    if not is_event_id(event_id):
        raise ValueError("an id of an event is two numbers joined by -")
    milliseconds, number = event_id.split("-")
    return int(milliseconds), int(number)
