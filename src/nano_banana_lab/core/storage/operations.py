"""The writes that one `KeyValueStore.commit` is made of, and what a refused one says.

Values, counters and index entries live in three separate spaces: the same name may be used in each.
Keys, index names, members and counter fields are non-empty text of at most 1024 bytes in UTF-8.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from nano_banana_lab.core.shared.errors import LabError

MAX_NAME_BYTES = 1024
MAX_AT_ONCE = 1000
MAX_INTEGER = 2**53 - 1
"""Counters and scores stay within +-MAX_INTEGER, where every adapter's arithmetic is exact."""


class Put(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Store `value` under `key`, replacing what was there and its time to live.

    `ttl` is in seconds; without it the value stays until deleted.
    `if_absent` refuses when the key holds a value; `if_equals` refuses unless it holds exactly these bytes.
    """

    key: str
    value: bytes
    ttl: float | None = None
    if_absent: bool = False
    if_equals: bytes | None = None


class Delete(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Remove the value under `key`; removing what is not there is fine unless a condition says otherwise.

    `if_present` refuses when there is no value; `if_equals` refuses unless the value is exactly these bytes.
    """

    key: str
    if_present: bool = False
    if_equals: bytes | None = None


class Add(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Add `amount` (may be negative) to the counter `field` of `key`; a counter never written is 0.

    Refused when the result would be below `floor` or above `ceiling` (both inclusive), or beyond +-MAX_INTEGER.
    `ttl` (seconds) applies to all counters of `key` and only when this commit creates the key:
    a window that has begun is not prolonged. The longest one counts when the commit creates the key with several.
    """

    key: str
    field: str
    amount: int
    floor: int | None = None
    ceiling: int | None = None
    ttl: float | None = None

    @property
    def limits(self) -> tuple[int, int]:
        """Least and most the result may be, both inclusive."""
        least = -MAX_INTEGER if self.floor is None else max(self.floor, -MAX_INTEGER)
        most = MAX_INTEGER if self.ceiling is None else min(self.ceiling, MAX_INTEGER)
        return least, most

    def allows(self, result: int) -> bool:
        """Whether the counter may become `result`."""
        least, most = self.limits
        return least <= result <= most


class IndexPut(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """List `member` in `index` at `score`, moving it when it is already listed.

    With a `ttl` (seconds) the entry leaves every page and count by itself; without one it stays until removed.
    """

    index: str
    member: str
    score: int
    ttl: float | None = None


class IndexRemove(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Take `member` out of `index`; fine when it is not listed."""

    index: str
    member: str


class Expire(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Let the value under `key` die `ttl` seconds from now, replacing its earlier time to live.

    Does nothing when there is no value.
    """

    key: str
    ttl: float


Operation = Put | Delete | Add | IndexPut | IndexRemove | Expire


class CommitRefused(LabError):
    """A condition of a commit did not hold, and nothing was changed.

    `position` is the index of the refusing operation among the arguments of `commit`, the first one when several refuse.
    `current` is what that operation found: the value's bytes (None: no value) or the counter's present amount.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, position: int, operation: Operation, current: bytes | int | None) -> None:
        self.position = position
        self.operation = operation
        self.current = current
        super().__init__()

    def __str__(self) -> str:
        return f"operation {self.position} refused: {type(self.operation).__name__}"


def check_operations(operations: tuple[Operation, ...]) -> None:
    """Raise ValueError unless `commit` may try these operations; every adapter calls this first.

    No two may touch the same value, the same counter field or the same index entry, so that their order never matters.
    """
    touched = [_target(operation) for operation in operations]
    if len(set(touched)) != len(touched):
        raise ValueError("two operations of one commit touch the same thing")
    for operation in operations:
        for name in _target(operation)[1:]:
            check_name(name)
        _check_numbers(operation)


def check_name(name: str) -> None:
    """Raise ValueError unless `name` is non-empty text of at most 1024 bytes in UTF-8."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise ValueError("a name must be valid Unicode") from error
    if not 0 < length <= MAX_NAME_BYTES:
        raise ValueError(f"a name must have 1 to {MAX_NAME_BYTES} bytes, not {length}")


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError for more than 1000 names, or one that `check_name` rejects."""
    if len(names) > MAX_AT_ONCE:
        raise ValueError(f"at most {MAX_AT_ONCE} keys at once")
    for name in names:
        check_name(name)


def check_ttl(seconds: float) -> None:
    """Raise ValueError unless things may have this time to live."""
    if not 0.001 <= seconds <= 10 * 366 * 86400:
        raise ValueError("a time to live must be between a millisecond and ten years")


def check_page(index: str, limit: int, offset: int) -> None:
    """Raise ValueError unless `KeyValueStore.page` may be asked for this."""
    check_name(index)
    if not 1 <= limit <= MAX_AT_ONCE or offset < 0:
        raise ValueError(f"a page has 1 to {MAX_AT_ONCE} entries and skips none or more")


def _target(operation: Operation) -> tuple[str, ...]:
    match operation:
        case Put(key=key) | Delete(key=key) | Expire(key=key):
            return ("value", key)
        case Add(key=key, field=field):
            return ("counter", key, field)
        case IndexPut(index=index, member=member) | IndexRemove(index=index, member=member):
            return ("entry", index, member)


def _check_numbers(operation: Operation) -> None:
    ttl = getattr(operation, "ttl", None)
    if ttl is not None:
        check_ttl(ttl)
    number = operation.amount if isinstance(operation, Add) else getattr(operation, "score", 0)
    if abs(number) > MAX_INTEGER:
        raise ValueError("an amount or score must stay within 2**53 - 1")
    if isinstance(operation, Put) and operation.if_absent and operation.if_equals is not None:
        raise ValueError("a value cannot be both absent and equal to something")
