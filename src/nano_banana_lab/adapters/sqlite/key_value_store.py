"""The `KeyValueStore` in one SQLite file, for a lab on one host.

Several processes may use the file at once: `serve`, workers and the command line.
The file is in WAL mode, so readers never wait for the writer, and `synchronous = FULL`,
so a commit is on the disk when it returns (https://sqlite.org/pragma.html#pragma_synchronous).
Commits that wait together share one transaction and its fsync; each is still judged and applied by itself.
Keep the file on a local disk: network file systems break SQLite's locks (https://sqlite.org/wal.html).
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from nano_banana_lab.adapters.sqlite.commit import apply_operations
from nano_banana_lab.adapters.sqlite.database_thread import DatabaseThread
from nano_banana_lab.core.shared.clock import Clock, SystemClock, milliseconds
from nano_banana_lab.core.storage.operations import (
    MAX_INTEGER,
    Operation,
    check_name,
    check_names,
    check_operations,
    check_page,
)
from nano_banana_lab.core.storage.ports import Entry, Page

_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_ENTRIES = (
    "FROM entry INDEXED BY entry_in_order WHERE listing = (SELECT id FROM listing WHERE name = ?)"  # noqa: S608 - constants
    f" AND (score, member) > (?, ?) AND (score, member) < (?, ?) AND {_ALIVE}"
)
_SIZE = """
    SELECT size - (
        SELECT count(*) FROM entry INDEXED BY entry_expiring WHERE expires_at <= ? AND entry.listing = listing.id
    ) FROM listing WHERE name = ?
"""

_Bound = tuple[int, bytes]
"""A place between entries. No member is empty, so (score, b"") is just before all entries of that score."""


class SqliteKeyValueStore:
    """Opens `path` on first use and creates the file, but not its folder. Time passes as `clock` says.

    Whatever keeps SQLite from working (no folder, full disk, a lock held too long, a file that is not a database)
    is logged with its reason and raised as `StoreUnavailable`.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._writer = DatabaseThread(path, begin="BEGIN IMMEDIATE")
        self._reader = DatabaseThread(path, begin="BEGIN")

    async def aclose(self) -> None:
        """Finish what is waiting and let go of the file."""
        await self._writer.aclose()
        await self._reader.aclose()

    async def get(self, key: str) -> bytes | None:
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        check_names(keys)
        names = [key.encode() for key in keys]
        marks = ",".join("?" * len(names))
        query = f"SELECT key, value FROM value WHERE key IN ({marks}) AND {_ALIVE}"  # noqa: S608 - only question marks

        def work(connection: sqlite3.Connection) -> list[bytes | None]:
            found: dict[bytes, bytes] = dict(connection.execute(query, (*names, self._now())))
            return [found.get(name) for name in names]

        return await self._reader.run(work)

    async def counters(self, key: str) -> dict[str, int]:
        check_name(key)
        query = f"SELECT field, amount FROM counter WHERE key = ? AND {_ALIVE}"  # noqa: S608 - a constant

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            rows = connection.execute(query, (key.encode(), self._now()))
            return {field.decode(): amount for field, amount in rows}

        return await self._reader.run(work)

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
        low, high = _bounds(min_score, max_score)
        if after is not None and newest_first:
            high = min(high, (after.score, after.member.encode()))
        elif after is not None:
            low = max(low, (after.score, after.member.encode()))
        direction = "DESC" if newest_first else "ASC"
        query = f"SELECT score, member {_ENTRIES} ORDER BY score {direction}, member {direction} LIMIT ? OFFSET ?"

        def work(connection: sqlite3.Connection) -> Page:
            wanted = (index.encode(), *low, *high, self._now(), limit + 1, offset)
            rows = connection.execute(query, wanted).fetchall()
            entries = tuple([Entry(score, member.decode()) for score, member in rows[:limit]])
            return Page(entries, has_more=len(rows) > limit)

        return await self._reader.run(work)

    async def count(self, index: str, *, min_score: int | None = None, max_score: int | None = None) -> int:
        check_name(index)
        low, high = _bounds(min_score, max_score)

        def work(connection: sqlite3.Connection) -> int:
            if min_score is None and max_score is None:
                row = connection.execute(_SIZE, (self._now(), index.encode())).fetchone()
                return 0 if row is None else int(row[0])
            query = f"SELECT count(*) {_ENTRIES}"
            return int(connection.execute(query, (index.encode(), *low, *high, self._now())).fetchone()[0])

        return await self._reader.run(work)

    async def commit(self, *operations: Operation) -> tuple[int | None, ...]:
        check_operations(operations)
        return await self._writer.run(lambda connection: apply_operations(connection, operations, self._now()))

    async def ping(self) -> None:
        """Reads nothing and writes one number, so a disk that takes no writes is found out."""
        await self._writer.run(lambda connection: connection.execute("UPDATE probe SET moment = ?", (self._now(),)))

    def _now(self) -> int:
        return milliseconds(self._clock.now())


def _bounds(min_score: int | None, max_score: int | None) -> tuple[_Bound, _Bound]:
    """Where the range begins and ends; scores beyond SQLite's integers mean the same as the last one before."""
    least, most = -MAX_INTEGER, MAX_INTEGER + 1
    low = least if min_score is None else min(max(min_score, least), most)
    high = most if max_score is None else min(max(max_score, least), most)
    return (low, b""), (high, b"")
