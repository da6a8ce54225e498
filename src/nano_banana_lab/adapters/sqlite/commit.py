"""The operations of a commit, applied to a SQLite connection inside a transaction."""

import sqlite3
from collections.abc import Sequence

from nano_banana_lab.core.storage.operations import (
    Add,
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
)

_PURGES = (
    "DELETE FROM value WHERE rowid IN (SELECT rowid FROM value WHERE expires_at <= ? LIMIT 100)",
    "DELETE FROM counter WHERE (key, field) IN (SELECT key, field FROM counter WHERE expires_at <= ? LIMIT 100)",
)
_EXPIRED_ENTRIES = "SELECT listing, member FROM entry WHERE expires_at <= ? LIMIT 100"


def apply_operations(
    connection: sqlite3.Connection, operations: Sequence[Operation], now: int
) -> tuple[int | None, ...]:
    """What `KeyValueStore.commit` returns. Raises `CommitRefused` before anything is written.

    Also clears away a little of what has expired by `now` (milliseconds since the epoch),
    so that the dead never outnumber the living for long.
    """
    commit = _Commit(connection, now)
    for position, operation in enumerate(operations):
        commit.judge(position, operation)
    commit.purge()
    windows = commit.windows(operations)
    return tuple([commit.apply(operation, windows) for operation in operations])


class _Commit:
    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._execute = connection.execute
        self._now = now
        self._found: dict[tuple[str, str], int] = {}
        self._listings: dict[bytes, int] = {}

    def judge(self, position: int, operation: Operation) -> None:
        current: bytes | int | None
        match operation:
            case Put(if_absent=False, if_equals=None) | Delete(if_present=False, if_equals=None):
                return
            case Put(if_absent=absent, if_equals=expected):
                current = self._value(operation.key)
                holds = not (absent and current is not None) and expected in (None, current)
            case Delete(if_present=present, if_equals=expected):
                current = self._value(operation.key)
                holds = not (present and current is None) and expected in (None, current)
            case Add():
                current = self._found[operation.key, operation.field] = self._amount(operation)
                holds = operation.allows(current + operation.amount)
            case _:
                return
        if not holds:
            raise CommitRefused(position, operation, current)

    def purge(self) -> None:
        for purge in _PURGES:
            self._execute(purge, (self._now,))
        for entry in self._execute(_EXPIRED_ENTRIES, (self._now,)).fetchall():
            self._execute("DELETE FROM entry WHERE listing = ? AND member = ?", entry)

    def windows(self, operations: Sequence[Operation]) -> dict[str, int | None]:
        """When the counters of each key that is added to expire: as before, or as this commit says of new ones."""
        ttls: dict[str, list[float]] = {}
        for operation in operations:
            if isinstance(operation, Add):
                ttls.setdefault(operation.key, []).extend([] if operation.ttl is None else [operation.ttl])
        return {key: self._window(key, asked) for key, asked in ttls.items()}

    def apply(self, operation: Operation, windows: dict[str, int | None]) -> int | None:
        match operation:
            case Put(key=key, value=value):
                self._execute(
                    "INSERT INTO value VALUES (?, ?, ?) ON CONFLICT (key)"
                    " DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
                    (key.encode(), value, self._moment(operation.ttl)),
                )
            case Delete(key=key):
                self._execute("DELETE FROM value WHERE key = ?", (key.encode(),))
            case Expire(key=key, ttl=ttl):
                self._execute(
                    "UPDATE value SET expires_at = ? WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
                    (self._moment(ttl), key.encode(), self._now),
                )
            case Add():
                return self._add(operation, windows[operation.key])
            case IndexPut():
                self._list(operation)
            case IndexRemove(index=index, member=member):
                self._execute(
                    "DELETE FROM entry WHERE member = ? AND listing = (SELECT id FROM listing WHERE name = ?)",
                    (member.encode(), index.encode()),
                )
        return None

    def _value(self, key: str) -> bytes | None:
        row = self._execute(
            "SELECT value FROM value WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
            (key.encode(), self._now),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def _amount(self, add: Add) -> int:
        row = self._execute(
            "SELECT amount FROM counter WHERE key = ? AND field = ? AND (expires_at IS NULL OR expires_at > ?)",
            (add.key.encode(), add.field.encode(), self._now),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _window(self, key: str, ttls: list[float]) -> int | None:
        row = self._execute("SELECT expires_at FROM counter WHERE key = ? LIMIT 1", (key.encode(),)).fetchone()
        if row is not None and (row[0] is None or row[0] > self._now):
            return None if row[0] is None else int(row[0])
        self._execute("DELETE FROM counter WHERE key = ?", (key.encode(),))
        return self._moment(max(ttls, default=None))

    def _add(self, add: Add, expires_at: int | None) -> int:
        amount = self._found[add.key, add.field] + add.amount
        self._execute(
            "INSERT INTO counter VALUES (?, ?, ?, ?) ON CONFLICT (key, field) DO UPDATE SET amount = excluded.amount",
            (add.key.encode(), add.field.encode(), amount, expires_at),
        )
        return amount

    def _list(self, put: IndexPut) -> None:
        self._execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (listing, member)"
            " DO UPDATE SET score = excluded.score, expires_at = excluded.expires_at",
            (self._listing(put.index.encode()), put.member.encode(), put.score, self._moment(put.ttl)),
        )

    def _listing(self, index: bytes) -> int:
        """The row of an index that is put into; what is put stays for this commit, and so does the row."""
        if index not in self._listings:
            self._execute("INSERT INTO listing (name) VALUES (?) ON CONFLICT DO NOTHING", (index,))
            (self._listings[index],) = self._execute("SELECT id FROM listing WHERE name = ?", (index,)).fetchone()
        return self._listings[index]

    def _moment(self, ttl: float | None) -> int | None:
        return None if ttl is None else self._now + round(ttl * 1000)
