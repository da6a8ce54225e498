"""The `KeyValueStore` in this process's memory: for tests, and for a lab that may forget."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from nano_banana_lab.adapters.memory.expiry import Expiry
from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.storage.operations import (
    Add,
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
    check_name,
    check_names,
    check_operations,
    check_page,
)
from nano_banana_lab.core.storage.ports import Entry, Page

_Place = tuple[str, ...]
"""What can expire: ("value", key), ("counters", key) or ("entry", index, member)."""


class MemoryKeyValueStore:
    """Everything in dictionaries and sorted lists, gone with the process.

    Keeps every promise of the port, durability excepted; never raises `StoreUnavailable`.
    Time passes as `clock` says. Safe to share between tasks, event loops and threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, bytes] = {}
        self._counters: dict[str, dict[str, int]] = {}
        self._indexes: dict[str, _Index] = {}
        self._expiry = Expiry[_Place]()

    async def get(self, key: str) -> bytes | None:
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        check_names(keys)
        with self._lock:
            self._forget_expired()
            return [self._values.get(key) for key in keys]

    async def counters(self, key: str) -> dict[str, int]:
        check_name(key)
        with self._lock:
            self._forget_expired()
            return dict(self._counters.get(key, {}))

    async def page(
        self,
        index: str,
        *,
        limit: int,
        newest_first: bool = True,
        after: Entry | None = None,
        offset: int = 0,
        min_score: int | None = None,
        max_score: int | None = None,
    ) -> Page:
        check_page(index, limit, offset)
        with self._lock:
            self._forget_expired()
            entries = self._indexes.get(index, _NO_INDEX).entries
            start, end = _range(entries, min_score, max_score)
            if newest_first:
                end = (end if after is None else min(end, bisect_left(entries, after))) - offset
                shown = entries[max(start, end - limit) : max(start, end)]
                return Page(tuple(reversed(shown)), has_more=end - limit > start)
            start = (start if after is None else max(start, bisect_right(entries, after))) + offset
            return Page(tuple(entries[start : min(end, start + limit)]), has_more=start + limit < end)

    async def count(self, index: str, *, min_score: int | None = None, max_score: int | None = None) -> int:
        check_name(index)
        with self._lock:
            self._forget_expired()
            start, end = _range(self._indexes.get(index, _NO_INDEX).entries, min_score, max_score)
            return max(0, end - start)

    async def commit(self, *operations: Operation) -> tuple[int | None, ...]:
        check_operations(operations)
        with self._lock:
            self._forget_expired()
            for position, operation in enumerate(operations):
                self._judge(position, operation)
            windows = self._new_windows(operations)
            results = tuple([self._apply(operation) for operation in operations])
            for key, ttl in windows.items():
                self._expire(("counters", key), ttl)
            return results

    async def ping(self) -> None:
        return

    def _judge(self, position: int, operation: Operation) -> None:
        """Raise `CommitRefused` unless the operation's condition holds."""
        current: bytes | int | None
        match operation:
            case Put(if_absent=absent, if_equals=expected):
                current = self._values.get(operation.key)
                holds = not (absent and current is not None) and expected in (None, current)
            case Delete(if_present=present, if_equals=expected):
                current = self._values.get(operation.key)
                holds = not (present and current is None) and expected in (None, current)
            case Add():
                current = self._counters.get(operation.key, {}).get(operation.field, 0)
                holds = operation.allows(current + operation.amount)
            case _:
                return
        if not holds:
            raise CommitRefused(position, operation, current)

    def _new_windows(self, operations: tuple[Operation, ...]) -> dict[str, float]:
        """The times to live of the counter keys that these operations are about to create."""
        windows: dict[str, float] = {}
        for operation in operations:
            if isinstance(operation, Add) and operation.ttl is not None and operation.key not in self._counters:
                windows[operation.key] = max(operation.ttl, windows.get(operation.key, 0))
        return windows

    def _apply(self, operation: Operation) -> int | None:
        match operation:
            case Put():
                self._values[operation.key] = bytes(operation.value)
                self._expire(("value", operation.key), operation.ttl)
            case Delete():
                self._values.pop(operation.key, None)
                self._expire(("value", operation.key), None)
            case Add():
                fields = self._counters.setdefault(operation.key, {})
                fields[operation.field] = fields.get(operation.field, 0) + operation.amount
                return fields[operation.field]
            case IndexPut():
                self._indexes.setdefault(operation.index, _Index()).put(Entry(operation.score, operation.member))
                self._expire(("entry", operation.index, operation.member), operation.ttl)
            case IndexRemove():
                self._unlist(operation.index, operation.member)
                self._expire(("entry", operation.index, operation.member), None)
            case Expire():
                if operation.key in self._values:
                    self._expire(("value", operation.key), operation.ttl)
        return None

    def _now(self) -> int:
        return milliseconds(self._clock.now())

    def _expire(self, place: _Place, ttl: float | None) -> None:
        self._expiry.set(place, None if ttl is None else self._now() + round(ttl * 1000))

    def _forget_expired(self) -> None:
        for space, name, *member in self._expiry.due(self._now()):
            if space == "value":
                self._values.pop(name, None)
            elif space == "counters":
                self._counters.pop(name, None)
            else:
                self._unlist(name, member[0])

    def _unlist(self, index: str, member: str) -> None:
        listed = self._indexes.get(index)
        if listed is not None:
            listed.remove(member)
            if not listed.entries:
                del self._indexes[index]


class _Index:
    """Entries in order. Python compares text by code point, which is the order of its UTF-8 bytes."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._listed: dict[str, Entry] = {}

    def put(self, entry: Entry) -> None:
        self.remove(entry.member)
        insort(self.entries, entry)
        self._listed[entry.member] = entry

    def remove(self, member: str) -> None:
        entry = self._listed.pop(member, None)
        if entry is not None:
            del self.entries[bisect_left(self.entries, entry)]


_NO_INDEX = _Index()


def _range(entries: list[Entry], min_score: int | None, max_score: int | None) -> tuple[int, int]:
    """Where the entries with min_score <= score < max_score begin and end; no member is empty."""
    start = 0 if min_score is None else bisect_left(entries, Entry(min_score, ""))
    end = len(entries) if max_score is None else bisect_left(entries, Entry(max_score, ""))
    return start, end
