"""A thread that owns one connection to a SQLite file and works for many tasks."""

import asyncio
import logging
import os
import queue
import random
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.ports import StoreUnavailable

DEADLINE_SECONDS = 4.0
"""Nothing takes longer, not even on a disk that hangs."""

LOCK_SECONDS = 3.0
"""How long another process may hold the file before it counts as unavailable."""

BATCH = 256
"""At most this many pieces of work share one transaction, and so one wait for the disk."""

SCHEMA_VERSION = 1

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    work: Work
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class DatabaseThread:
    """Runs work in transactions, as many pieces as are waiting in one, in the order they came.

    Opens the file when there is work, and again after anything went wrong. The folder must exist.
    Each piece of work MUST raise a `LabError` before it writes anything, or write everything and return.
    """

    def __init__(self, path: Path, *, begin: str) -> None:
        self._path = path
        self._begin = begin
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened_file: tuple[int, int] | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns or raises, once its transaction is durable.

        Raises `StoreUnavailable` when the file cannot be used or does not answer in time.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"sqlite {self._begin.lower()}", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, future))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await future
        except TimeoutError as error:
            raise StoreUnavailable("key value store") from error

    async def aclose(self) -> None:
        """Finish what is waiting and close the file; later work opens it again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, DEADLINE_SECONDS)

    def _serve(self) -> None:
        while True:
            jobs, closing = self._take()
            if jobs:
                _deliver(jobs, self._transact(jobs))
            if closing:
                self._disconnect()
                return

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for work, and take with it what else is waiting unless nobody wants it any more."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if not job.future.cancelled():
                jobs.append(job)
            if len(jobs) == BATCH:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _transact(self, jobs: Sequence[_Job]) -> list[Any]:
        """The outcome of each job: what it returned, or the exception it raised."""
        try:
            connection = self._connected()
            _patiently(connection, self._begin)
            outcomes = [_outcome(job.work, connection) for job in jobs]
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is must reach those who wait, and not end the thread
            _log.error("the key-value store %s cannot be used: %s", self._path, error)
            self._disconnect()
            return [_unavailable(error) for _ in jobs]
        return outcomes

    def _connected(self) -> sqlite3.Connection:
        """The open file. One that was moved or deleted since would swallow writes without an error."""
        if self._connection is not None and _identity(self._path) == self._opened_file:
            return self._connection
        self._disconnect()
        self._connection = _open(self._path)
        self._opened_file = _identity(self._path)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        _patiently(connection, "PRAGMA journal_mode = WAL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    _patiently(connection, "BEGIN IMMEDIATE")
    if _version(connection) == 0:
        for statement in _statements(files(__package__).joinpath("schema.sql").read_text()):
            connection.execute(statement)
    connection.execute("COMMIT")
    if _version(connection) != SCHEMA_VERSION:
        raise sqlite3.DatabaseError("the file belongs to another version of the lab")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    """The single statements of a script; sqlite3's own `executescript` would end the transaction."""
    statements, waiting = [], ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            statements.append(waiting)
            waiting = ""
    return statements


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Run `statement` as soon as other processes let go of the file.

    SQLite's own waiting backs off to 0.1 s and starves beside a process that writes without pause.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 - only spreads the attempts
        else:
            break
    connection.execute(f"PRAGMA busy_timeout = {round(LOCK_SECONDS * 1000)}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every transaction, and Path.stat is no clearer
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _outcome(work: Work, connection: sqlite3.Connection) -> Any:
    try:
        return work(connection)
    except LabError as refusal:
        return refusal


def _unavailable(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error | OSError):
        return error
    unavailable = StoreUnavailable("key value store")
    unavailable.__cause__ = error
    return unavailable


def _deliver(jobs: Sequence[_Job], outcomes: Sequence[Any]) -> None:
    by_loop = defaultdict(list)
    for job, outcome in zip(jobs, outcomes, strict=True):
        by_loop[job.loop].append((job.future, outcome))
    for loop, deliveries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, deliveries)
        except RuntimeError:
            _log.debug("nobody is left to hear of %d finished jobs", len(deliveries))


def _settle(deliveries: "list[tuple[asyncio.Future[Any], Any]]") -> None:
    for future, outcome in deliveries:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
