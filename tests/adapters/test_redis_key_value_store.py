"""What is peculiar to the `KeyValueStore` on Redis: round trips, and what an operator sees."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.core.storage.operations import Add, CommitRefused, Delete, IndexPut, IndexRemove, Operation, Put
from nano_banana_lab.core.storage.ports import Entry
from nano_banana_lab.testing.redis_server import RedisServer, running_redis

EVERYTHING: list[Operation] = [
    Put(key="k", value=b"v", if_absent=True, ttl=60),
    Delete(key="other"),
    Add(key="c", field="f", amount=1, ceiling=5, ttl=60),
    IndexPut(index="i", member="m", score=1, ttl=60),
    IndexRemove(index="j", member="m"),
]


@pytest.fixture
def server(redis_server: RedisServer) -> RedisServer:
    redis_server.flush()
    return redis_server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def store(client: Redis) -> RedisKeyValueStore:
    return RedisKeyValueStore(client)


class TestRoundTrips:
    async def test_a_commit_is_one_round_trip(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(*EVERYTHING)
        with redis.Redis.from_url(server.url) as watching, watching.monitor() as monitor:
            await refused(store, *EVERYTHING)
            await store.commit(*EVERYTHING[1:])
            await store.ping()
            await store.get("the end")
            commands = list(itertools.takewhile(lambda command: "the end" not in command, sent_by_clients(monitor)))

        assert [command.split()[0] for command in commands] == ["EVALSHA"] * 3

    async def test_a_forgotten_script_is_sent_again(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(Put(key="k", value=b"v"), IndexPut(index="i", member="m", score=1))
        server.ask("SCRIPT", "FLUSH")

        assert await store.commit(Add(key="c", field="f", amount=2)) == (2,)
        assert (await store.page("i", limit=1)).entries == (Entry(1, "m"),)
        server.ask("SCRIPT", "FLUSH")
        await refused(store, Put(key="k", value=b"w", if_absent=True))

    async def test_a_client_made_elsewhere_may_decode_speak_the_old_protocol_and_retry(self, server: RedisServer):
        async with Redis.from_url(server.url, decode_responses=True, protocol=2) as client:
            store = RedisKeyValueStore(client)
            await store.commit(Put(key="k", value=b"\xff"), Add(key="c", field="é", amount=2))

            assert (await store.get("k"), await store.counters("c")) == (b"\xff", {"é": 2})
            await refused(store, Delete(key="k", if_equals=b"\xfe"))


class TestWhatAnOperatorSees:
    async def test_values_can_be_read_with_redis_cli(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(Put(key="chat/1", value=b'{"v": 1}'))

        assert server.ask("GET", "nbl:v:chat/1") == b'{"v": 1}'

    async def test_everything_is_under_one_prefix(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(*EVERYTHING)

        assert {b"nbl:v:k", b"nbl:c:c", b"nbl:i:i", b"nbl:x:i"} == set(server.ask("KEYS", "*"))

    async def test_what_should_die_has_a_time_to_live_in_redis(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(*EVERYTHING, IndexPut(index="i", member="longer", score=1, ttl=100))

        lives = {key.decode(): server.ask("PTTL", key) for key in server.ask("KEYS", "*")}
        assert all(50_000 < lives[key] <= 60_000 for key in ("nbl:v:k", "nbl:c:c"))
        assert all(90_000 < lives[key] <= 100_000 for key in ("nbl:i:i", "nbl:x:i"))

    async def test_an_index_with_one_lasting_entry_lasts_and_its_moments_with_it(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await store.commit(IndexPut(index="i", member="m", score=1, ttl=60))
        await store.commit(IndexPut(index="i", member="lasting", score=1))
        assert (server.ask("PTTL", "nbl:i:i"), server.ask("PTTL", "nbl:x:i")) == (-1, -1)

        await store.commit(IndexRemove(index="i", member="lasting"))
        assert all(50_000 < server.ask("PTTL", key) <= 60_000 for key in ("nbl:i:i", "nbl:x:i"))

    async def test_removing_everything_leaves_no_key_behind(self, server: RedisServer, store: RedisKeyValueStore):
        await store.commit(Put(key="k", value=b"v"), IndexPut(index="i", member="m", score=1, ttl=60))
        await store.commit(Delete(key="k"), IndexRemove(index="i", member="m"))

        assert server.ask("KEYS", "*") == []

    async def test_entries_that_are_renewed_and_never_read_do_not_pile_up(
        self, server: RedisServer, store: RedisKeyValueStore
    ):
        await store.commit(*[IndexPut(index="i", member=f"old {n}", score=n, ttl=0.01) for n in range(50)])
        await store.commit(IndexPut(index="i", member="lasting", score=1))
        await asyncio.sleep(0.02)
        await store.commit(IndexPut(index="i", member="new", score=1, ttl=60))

        assert (server.ask("ZCARD", "nbl:i:i"), server.ask("ZCARD", "nbl:x:i")) == (2, 1)

    async def test_commits_survive_a_killed_server_that_keeps_an_append_only_file(self):
        with running_redis(appendonly=True) as server:
            async with connect(server.url) as client:
                store = RedisKeyValueStore(client)
                await store.commit(*EVERYTHING)
                server.stop()
                server.start()

                assert (await store.get("k"), await store.counters("c"), await store.count("i")) == (b"v", {"f": 1}, 1)

    def test_an_address_of_another_kind_is_refused(self):
        with pytest.raises(ValueError, match="redis://"):
            connect("http://127.0.0.1")


async def refused(store: RedisKeyValueStore, *operations: Operation) -> None:
    with pytest.raises(CommitRefused):
        await store.commit(*operations)


def sent_by_clients(monitor: Any) -> Iterator[str]:
    """The commands the server receives, without those that its scripts call."""
    for command in monitor.listen():
        if command["client_type"] != "lua":
            yield command["command"]
