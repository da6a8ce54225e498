"""What is peculiar to the `KeyValueStore` in a SQLite file: other processes, killed processes and broken disks."""

import asyncio
import contextlib
import logging
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.storage.operations import Add, CommitRefused, IndexPut, IndexRemove, Put
from nano_banana_lab.core.storage.ports import Entry, StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

WRITES_FOREVER = """
    import asyncio, pathlib, sys
    from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
    from nano_banana_lab.core.storage.operations import Add, IndexPut, Put

    async def write():
        store = SqliteKeyValueStore(pathlib.Path(sys.argv[1]))
        number = 0
        while True:
            await asyncio.gather(*[write_one(store, number + task) for task in range(20)])
            number += 20

    async def write_one(store, number):
        key = str(number)
        await store.commit(
            *[Put(key=f"{key}/{part}", value=b"x" * 2000) for part in range(5)],
            Add(key="written", field="commits", amount=1),
            IndexPut(index="all", member=key, score=number),
        )
        print(number, flush=True)

    asyncio.run(write())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lab.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteKeyValueStore]:
    path.parent.mkdir()
    store = SqliteKeyValueStore(path)
    yield store
    await store.aclose()


class TestProcesses:
    async def test_a_killed_writer_leaves_only_whole_commits_and_none_it_reported_is_lost(
        self, store: SqliteKeyValueStore, path: Path
    ):
        for _ in range(3):
            reported = await asyncio.to_thread(kill_a_writer, path, 60)
            listed = await all_members(store)
            parts = [await store.get_many([f"{member}/{part}" for part in range(5)]) for member in listed]

            assert set(reported) <= set(listed)
            assert [[b"x" * 2000] * 5] * len(listed) == parts
            assert await store.count("all") == len(listed)

    async def test_the_commits_of_a_killed_writer_are_counted_as_often_as_they_are_listed(
        self, store: SqliteKeyValueStore, path: Path
    ):
        await asyncio.to_thread(kill_a_writer, path, 100)

        assert {"commits": await store.count("all")} == await store.counters("written")

    async def test_a_file_locked_too_long_is_unavailable_for_writing_but_can_be_read(
        self, store: SqliteKeyValueStore, path: Path
    ):
        await store.commit(Put(key="k", value=b"v"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                results = await asyncio.gather(
                    store.commit(Put(key="k", value=b"w")), store.ping(), store.get("k"), return_exceptions=True
                )
            other.execute("ROLLBACK")

        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable, bytes]
        await store.commit(Put(key="k", value=b"again"))
        assert await store.get("k") == b"again"

    async def test_a_file_locked_for_a_moment_is_waited_for(self, store: SqliteKeyValueStore, path: Path):
        await store.commit(Put(key="k", value=b"v"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            commit = asyncio.create_task(store.commit(Put(key="k", value=b"w")))
            await store.get("k")
            assert not commit.done()
            other.execute("ROLLBACK")
            await commit

        assert await store.get("k") == b"w"

    async def test_two_stores_on_one_file_see_each_others_commits_at_once(self, store: SqliteKeyValueStore, path: Path):
        async with contextlib.aclosing(SqliteKeyValueStore(path)) as other:
            for number in range(20):
                writer, reader = (store, other) if number % 2 else (other, store)
                await writer.commit(Put(key="k", value=b"%d" % number))
                assert await reader.get("k") == b"%d" % number

    async def test_many_stores_may_create_the_file_at_the_same_time(self, store: SqliteKeyValueStore, path: Path):
        async with contextlib.AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(contextlib.aclosing(SqliteKeyValueStore(path))) for _ in range(8)]
            results = await asyncio.gather(*[one.commit(Add(key="c", field="f", amount=1)) for one in stores])

        assert sorted(results) == [(number,) for number in range(1, 9)]


class TestBrokenFiles:
    async def test_a_folder_that_is_not_there_is_unavailable_until_it_is(self, path: Path):
        async with contextlib.aclosing(SqliteKeyValueStore(path)) as store:
            await unavailable(store.commit(Put(key="k", value=b"v")))
            await unavailable(store.get("k"))
            await unavailable(store.ping())
            path.parent.mkdir()
            await store.commit(Put(key="k", value=b"v"))

            assert await store.get("k") == b"v"

    async def test_a_folder_that_vanishes_is_noticed_before_anything_is_written_into_nowhere(
        self, store: SqliteKeyValueStore, path: Path
    ):
        await store.commit(Put(key="k", value=b"v"))
        assert await store.get("k") == b"v"
        path.parent.rename(path.parent.with_name("elsewhere"))
        await unavailable(store.commit(Put(key="k", value=b"lost")))
        await unavailable(store.get("k"))
        path.parent.with_name("elsewhere").rename(path.parent)

        assert await store.get("k") == b"v"

    async def test_a_file_that_was_replaced_is_the_one_that_is_used(self, store: SqliteKeyValueStore, path: Path):
        await store.commit(Put(key="k", value=b"old"))
        await store.get("k")
        shutil.rmtree(path.parent)
        path.parent.mkdir()

        assert await store.get("k") is None
        await store.commit(Put(key="k", value=b"new"))
        assert await store.get("k") == b"new"

    async def test_a_file_that_is_not_a_database_is_unavailable_and_the_log_says_why(
        self, store: SqliteKeyValueStore, path: Path, caplog: pytest.LogCaptureFixture
    ):
        await asyncio.to_thread(path.write_bytes, b"Dear diary, " * 1000)
        with caplog.at_level(logging.ERROR):
            await unavailable(store.commit(Put(key="k", value=b"v")))
            await unavailable(store.get("k"))

        assert f"the key-value store {path} cannot be used: file is not a database" in caplog.messages
        assert await asyncio.to_thread(path.read_bytes) == b"Dear diary, " * 1000

    async def test_a_file_of_a_newer_version_is_left_alone(self, store: SqliteKeyValueStore, path: Path):
        with contextlib.closing(sqlite3.connect(path)) as newer:
            newer.execute("PRAGMA user_version = 999")

        await unavailable(store.commit(Put(key="k", value=b"v")))
        await unavailable(store.ping())

    async def test_a_full_disk_takes_nothing_and_is_used_again_once_there_is_room(
        self, store: SqliteKeyValueStore, path: Path
    ):
        await store.commit(Put(key="k", value=b"v"), Add(key="c", field="f", amount=1))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            big = Put(key="big", value=b"x" * 1_000_000)
            await unavailable(store.commit(Put(key="k", value=b"w"), Add(key="c", field="f", amount=1), big))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

        assert await store.get_many(["k", "big"]) == [b"v", None]
        assert await store.commit(Add(key="c", field="f", amount=1)) == (2,)


class TestTransactions:
    async def test_commits_that_share_a_transaction_are_judged_one_by_one(self, store: SqliteKeyValueStore):
        results = await asyncio.gather(
            store.commit(Put(key="k", value=b"first", if_absent=True)),
            store.commit(Put(key="side", value=b"no"), Put(key="k", value=b"second", if_absent=True)),
            store.commit(Put(key="k", value=b"third", if_equals=b"first")),
            return_exceptions=True,
        )

        assert [type(result) for result in results] == [tuple, CommitRefused, tuple]
        assert await store.get_many(["k", "side"]) == [b"third", None]

    async def test_a_commit_cancelled_while_it_waits_is_not_made(self, store: SqliteKeyValueStore, path: Path):
        await store.ping()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            first = asyncio.create_task(store.commit(Put(key="first", value=b"v")))
            await store.get("k")
            waiting = asyncio.create_task(store.commit(Put(key="waiting", value=b"v")))
            await asyncio.sleep(0)
            waiting.cancel()
            other.execute("ROLLBACK")
            await asyncio.wait([first, waiting])

        await store.ping()
        assert await store.get_many(["first", "waiting"]) == [b"v", None]

    async def test_the_size_of_an_index_is_kept_and_not_counted(self, store: SqliteKeyValueStore, path: Path):
        await store.commit(*[IndexPut(index="i", member=f"{number}", score=number) for number in range(10)])
        await store.commit(IndexPut(index="i", member="0", score=99), IndexRemove(index="i", member="1"))
        assert rows(path, "SELECT name, size FROM listing") == [(b"i", 9)]

        await store.commit(*[IndexRemove(index="i", member=f"{number}") for number in range(10)])
        assert rows(path, "SELECT name, size FROM listing") == []

    async def test_what_has_expired_is_cleared_away_by_later_commits(self, path: Path):
        path.parent.mkdir()
        clock = FrozenClock()
        async with contextlib.aclosing(SqliteKeyValueStore(path, clock=clock)) as store:
            await store.commit(Put(key="k", value=b"v", ttl=1), Add(key="c", field="f", amount=1, ttl=1))
            await store.commit(*[IndexPut(index="i", member=f"{number}", score=1, ttl=1) for number in range(50)])
            clock.advance(1)
            await store.commit(IndexPut(index="i", member="new", score=2))

            assert (await store.page("i", limit=9)).entries == (Entry(2, "new"),)
        assert rows(path, "SELECT (SELECT count(*) FROM value), (SELECT count(*) FROM counter), size FROM listing") == [
            (0, 0, 1)
        ]

    async def test_a_closed_store_leaves_one_file_and_opens_again_when_it_is_used(
        self, store: SqliteKeyValueStore, path: Path
    ):
        await store.commit(Put(key="k", value=b"v"))
        await store.get("k")
        await store.aclose()
        assert [path] == list(path.parent.glob("*"))

        assert await store.get("k") == b"v"


def kill_a_writer(path: Path, commits: int) -> list[str]:
    """Start a process that writes without end, kill it after some commits, and return those that it reported."""
    command = [sys.executable, "-c", textwrap.dedent(WRITES_FOREVER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = [process.stdout.readline().strip() for _ in range(commits)]
        process.send_signal(signal.SIGKILL)
        return [line for line in [*reported, *process.stdout.read().split("\n")[:-1]] if line]


async def all_members(store: SqliteKeyValueStore) -> list[str]:
    page = await store.page("all", limit=1000)
    entries = list(page.entries)
    while page.has_more:
        page = await store.page("all", limit=1000, after=entries[-1])
        entries += page.entries
    return [entry.member for entry in entries]


def rows(path: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def unavailable(call: Awaitable[Any]) -> None:
    with pytest.raises(StoreUnavailable):
        await call
