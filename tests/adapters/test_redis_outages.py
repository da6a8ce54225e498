"""How the `KeyValueStore` on Redis fails and recovers when the server or the network does not work."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from redis.asyncio import Redis

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.core.storage.operations import Add, Delete, Put
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.redis_server import RedisServer, running_redis


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def server(own_server: RedisServer) -> RedisServer:
    """A server these tests may break: empty, and whole again for the next one."""
    own_server.flush()
    return own_server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def store(client: Redis) -> RedisKeyValueStore:
    return RedisKeyValueStore(client)


class TestOutages:
    async def test_a_server_that_is_down_is_unavailable_until_it_is_back(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await store.commit(Put(key="k", value=b"v"))
        server.stop()
        try:
            await everything_unavailable(store)
        finally:
            server.start()

        await store.commit(Put(key="k", value=b"again"))
        assert await store.get("k") == b"again"

    async def test_a_server_that_hangs_is_unavailable_within_five_seconds_however_many_tasks_ask(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await store.ping()
        server.pause()
        try:
            async with asyncio.timeout(5):
                writes = [store.commit(Put(key="k", value=b"v")) for _ in range(300)]
                results, _ = await asyncio.gather(
                    asyncio.gather(*writes, return_exceptions=True), everything_unavailable(store)
                )
        finally:
            server.resume()

        assert {type(result) for result in results} == {StoreUnavailable}
        await store.commit(Put(key="k", value=b"w"))
        assert await store.get("k") == b"w"

    async def test_connections_closed_by_a_restart_are_noticed_before_a_commit_is_sent(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await asyncio.gather(*[store.get("k") for _ in range(50)])
        server.stop()
        server.start()

        results = await asyncio.gather(*[store.commit(Add(key="c", field="f", amount=1)) for _ in range(50)])
        assert sorted(results) == [(number,) for number in range(1, 51)]

    async def test_a_connection_that_was_reset_is_noticed_before_a_commit_is_sent(self, server: RedisServer):
        async with Interference(server) as interference, connect(interference.url) as client:
            store = RedisKeyValueStore(client)
            await store.ping()
            interference.reset()
            (connection,) = client.connection_pool._available_connections
            with pytest.raises(ConnectionResetError):
                await connection._reader.read()

            assert await store.commit(Add(key="c", field="f", amount=1)) == (1,)

    async def test_a_commit_whose_answer_is_lost_is_not_sent_again(self, server: RedisServer):
        async with Interference(server) as interference, connect(interference.url) as client:
            store = RedisKeyValueStore(client)
            await store.ping()
            interference.swallows_the_next_answer = True
            await unavailable(store.commit(Add(key="c", field="f", amount=1)))

            assert await store.counters("c") == {"f": 1}

    async def test_a_full_server_takes_nothing_and_still_answers_reads(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await store.commit(Put(key="k", value=b"v"))
        server.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            for operation in (Put(key="k", value=b"w"), Delete(key="k"), Add(key="c", field="f", amount=1)):
                await unavailable(store.commit(operation))
            await unavailable(store.ping())
            assert await store.get("k") == b"v"
            assert await store.count("i") == 0
        finally:
            server.ask("CONFIG", "SET", "maxmemory", 0)

        await store.ping()

    async def test_a_read_only_server_is_unavailable_for_writing(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(Put(key="k", value=b"v"))
        server.ask("REPLICAOF", "127.0.0.1", 1)
        try:
            await unavailable(store.commit(Put(key="k", value=b"w", if_absent=True)))
            await unavailable(store.ping())
            assert await store.get("k") == b"v"
        finally:
            server.ask("REPLICAOF", "NO", "ONE")

        await store.ping()

    async def test_a_server_that_cannot_persist_is_unavailable_for_writing(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        with dumps_failing(server):
            await unavailable(store.commit(Put(key="k", value=b"w")))
            await unavailable(store.ping())

        await store.ping()

    async def test_a_server_busy_with_a_script_is_unavailable(self, server: RedisServer, store: RedisKeyValueStore):
        await store.ping()
        server.ask("CONFIG", "SET", "busy-reply-threshold", 1)
        endless = asyncio.create_task(asyncio.to_thread(run_until_killed, server))
        try:
            await until_busy(server)
            await unavailable(store.commit(Put(key="k", value=b"v")))
            await unavailable(store.get("k"))
        finally:
            server.ask("SCRIPT", "KILL")
            await endless

        await store.commit(Put(key="k", value=b"v"))

    async def test_something_of_another_type_under_our_key_is_unavailable_and_left_alone(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        server.ask("LPUSH", "nbl:c:k", "somebody else's")

        await unavailable(store.commit(Put(key="k", value=b"v"), Add(key="k", field="f", amount=1)))
        assert await store.get("k") is None

    async def test_a_cancelled_commit_leaves_the_pool_usable(self, server: RedisServer, store: RedisKeyValueStore):
        server.pause()
        commits = [asyncio.create_task(store.commit(Add(key="c", field="f", amount=1))) for _ in range(100)]
        await asyncio.sleep(0)
        for commit in commits:
            commit.cancel()
        await asyncio.gather(*commits, return_exceptions=True)
        server.resume()

        await asyncio.gather(*[store.commit(Put(key=f"{number}", value=b"v")) for number in range(100)])
        assert all(commit.cancelled() for commit in commits)


class Interference:
    """Stands between a store and its server, and disturbs what passes."""

    swallows_the_next_answer = False

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._clients: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.reset()
        await self._listener.wait_closed()

    def reset(self) -> None:
        """End all connections without the usual goodbye."""
        while self._clients:
            client = self._clients.pop()
            if not client.is_closing():
                linger_not = struct.pack("ii", 1, 0)
                client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
                client.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.append(writer)
        answers, commands = await asyncio.open_connection("127.0.0.1", self._server.port)
        answering = asyncio.create_task(self._answer(answers, writer))
        while data := await reader.read(65536):
            commands.write(data)
        commands.close()
        await answering

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await answers.read(65536):
            if self.swallows_the_next_answer:
                self.swallows_the_next_answer = False
                writer.close()
            else:
                writer.write(data)


async def everything_unavailable(store: RedisKeyValueStore) -> None:
    calls = [
        store.get("k"),
        store.get_many(["k"]),
        store.counters("c"),
        store.page("i", limit=1),
        store.count("i"),
        store.commit(Put(key="k", value=b"v")),
        store.ping(),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * len(calls)


async def unavailable(call: Awaitable[Any]) -> None:
    with pytest.raises(StoreUnavailable):
        await call


@contextlib.contextmanager
def dumps_failing(server: RedisServer) -> Iterator[None]:
    """Put a folder where the server's dump should be."""
    obstacle = Path(server.ask("CONFIG", "GET", "dir")[b"dir"].decode()) / "dump.rdb"
    obstacle.mkdir()
    server.ask("CONFIG", "SET", "save", "3600 1000000")
    save(server, "err")
    yield
    obstacle.rmdir()
    save(server, "ok")
    server.ask("CONFIG", "SET", "save", "")


def save(server: RedisServer, status: str) -> None:
    """Let the server save its data, with this outcome."""
    server.ask("BGSAVE")
    while server.ask("INFO", "persistence")["rdb_last_bgsave_status"] != status:
        time.sleep(0.005)


def run_until_killed(server: RedisServer) -> None:
    with pytest.raises(redis.ResponseError, match="killed"):
        server.ask("EVAL", "while true do end", 0)


async def until_busy(server: RedisServer) -> None:
    while True:
        try:
            server.ask("PING")
        except redis.ResponseError:
            return
        await asyncio.sleep(0.005)
