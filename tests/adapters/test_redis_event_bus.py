"""What is peculiar to the `EventBus` on Redis: ids, connections, several processes, and what an operator sees."""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from nano_banana_lab.adapters.redis.bell import KEPT_RINGS, KEY
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.event_bus import RedisEventBus
from nano_banana_lab.core.tasks.event_limits import position
from nano_banana_lab.core.tasks.ports import QueueUnavailable
from nano_banana_lab.testing.redis_server import RedisServer


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
async def bus(client: Redis) -> AsyncIterator[RedisEventBus]:
    bus = RedisEventBus(client)
    yield bus
    await bus.aclose()


@pytest.fixture
async def elsewhere(server: RedisServer) -> AsyncIterator[RedisEventBus]:
    """The bus as another process has it."""
    async with connect(server.url) as client:
        bus = RedisEventBus(client)
        yield bus
        await bus.aclose()


class TestIds:
    async def test_ids_go_on_when_the_clock_of_the_server_has_gone_back(self, server: RedisServer, bus: RedisEventBus):
        ahead = round(time.time() * 1000) + 3_600_000
        server.ask("XADD", KEY, f"{ahead}-5", "channel", "c")

        assert await post(bus, "c", 2) == [f"{ahead}-6", f"{ahead}-7"]
        assert await post(bus, "d") == [f"{ahead}-8"]

    async def test_ids_go_on_when_a_channel_has_expired_and_the_clock_has_gone_back(
        self, server: RedisServer, bus: RedisEventBus
    ):
        (first,) = await post(bus, "c")
        server.ask("DEL", "nbl:events/c")
        server.ask("XADD", KEY, f"{position(first)[0] + 3_600_000}-0", "channel", "c")

        assert await post(bus, "c") == [f"{position(first)[0] + 3_600_000}-1"]

    async def test_a_channel_goes_on_when_the_bell_is_lost_and_the_clock_has_gone_back(
        self, server: RedisServer, bus: RedisEventBus
    ):
        ahead = round(time.time() * 1000) + 3_600_000
        server.ask("XADD", "nbl:events/c", f"{ahead}-5", "name", "n", "data", "")

        assert await post(bus, "c") == [f"{ahead}-6"]

    async def test_the_bell_is_kept_until_the_clock_is_a_month_past_the_last_id(
        self, server: RedisServer, bus: RedisEventBus
    ):
        ahead = round(time.time() * 1000) + 3_600_000
        server.ask("XADD", KEY, f"{ahead}-0", "channel", "c")
        await post(bus, "c")

        assert server.ask("PEXPIRETIME", KEY) == ahead + 30 * 86_400_000

    async def test_ids_are_the_time_of_the_server(self, bus: RedisEventBus):
        before = time.time() * 1000
        (first,) = await post(bus, "c")

        assert before - 1 <= position(first)[0] <= time.time() * 1000 + 1


class TestWaiting:
    async def test_two_hundred_waiting_readers_share_one_connection(self, server: RedisServer, bus: RedisEventBus):
        readers = [asyncio.create_task(bus.read(f"c{number % 50}", wait=20)) for number in range(200)]
        await until_waiting(server, bus, 200)

        assert connections(server) <= 3
        for number in range(50):
            await post(bus, f"c{number}")
        assert all(await asyncio.gather(*readers))
        assert connections(server) <= 4  # with the one that posts

    async def test_nobody_asks_the_server_once_nobody_waits(self, server: RedisServer, bus: RedisEventBus):
        reader = asyncio.create_task(bus.read("c", wait=20))
        await until_waiting(server, bus, 1)
        reader.cancel()
        await asyncio.wait([bus._bell._task], timeout=2)

        assert bus._bell._task.done()
        assert not bus._bell._redis._client.connection_pool._in_use_connections

    async def test_a_read_that_does_not_wait_needs_nobody_who_waits(self, bus: RedisEventBus):
        await post(bus, "c")
        await bus.read("c")

        assert bus._bell._task is None

    async def test_a_closed_bus_keeps_nobody_waiting(self, server: RedisServer, bus: RedisEventBus):
        reader = asyncio.create_task(bus.read("c", wait=20))
        await until_waiting(server, bus, 1)
        await bus.aclose()

        with pytest.raises(QueueUnavailable):
            await asyncio.wait_for(reader, 1)
        assert blocked(server) == 0

    async def test_who_has_missed_too_many_rings_wakes_everybody(self, server: RedisServer, bus: RedisEventBus):
        readers = [asyncio.create_task(bus.read(channel, wait=20)) for channel in "abc"]
        await until_waiting(server, bus, 3)
        with redis.Redis.from_url(server.url) as stalling, stalling.pipeline(transaction=False) as pipeline:
            for channel in [*"abc", *range(KEPT_RINGS + 200)]:
                arguments = (f"nbl:events/{channel}", KEY, channel, 60_000, 60_000, KEPT_RINGS, "anywhere", "n", "")
                pipeline.execute_command("EVAL", bus._publish.text, 2, *arguments)
            pipeline.execute()  # while this process does nothing else

        assert all(await asyncio.wait_for(asyncio.gather(*readers), 2))
        assert server.ask("XLEN", KEY) < KEPT_RINGS + 200

    @pytest.mark.parametrize("moments", range(0, 60, 3))
    async def test_the_first_to_wait_misses_nothing(self, bus: RedisEventBus, elsewhere: RedisEventBus, moments: int):
        await post(elsewhere, "other")
        reader = asyncio.create_task(bus.read("c", wait=20))
        for _ in range(moments):
            await asyncio.sleep(0)
        await post(elsewhere, "c")

        assert len(await asyncio.wait_for(reader, 2)) == 1


class TestProcesses:
    async def test_what_is_posted_elsewhere_wakes_a_reader_here(
        self, server: RedisServer, bus: RedisEventBus, elsewhere: RedisEventBus
    ):
        reader = asyncio.create_task(bus.read("c", wait=20))
        await until_waiting(server, bus, 1)
        ids = await post(elsewhere, "c", 3)

        assert [event.id for event in await asyncio.wait_for(reader, 2)] == ids

    async def test_readers_in_other_processes_see_the_same_in_the_same_order(
        self, server: RedisServer, bus: RedisEventBus
    ):
        following = [await follow_in_a_process(server, "c", 40) for _ in range(2)]
        await until(lambda: blocked(server) == 2)
        ids = list(itertools.chain(*await asyncio.gather(*[post(bus, "c", 4) for _ in range(10)])))
        seen = [(await process.communicate())[0].decode().split() for process in following]

        assert seen == [sorted(ids, key=position)] * 2


class TestWhatAnOperatorSees:
    async def test_posting_is_one_round_trip(self, server: RedisServer, bus: RedisEventBus):
        await post(bus, "c")
        with redis.Redis.from_url(server.url) as watching, watching.monitor() as monitor:
            await post(bus, "c", 10)
            await bus.read("the end")
            sent = (command["command"] for command in monitor.listen() if command["client_type"] != "lua")
            commands = list(itertools.takewhile(lambda command: "the end" not in command, sent))

        assert [command.split()[0] for command in commands] == ["EVALSHA"]

    async def test_every_key_has_the_prefix_of_the_lab_and_a_time_to_live(
        self, server: RedisServer, bus: RedisEventBus
    ):
        await asyncio.gather(bus.read("tasks/1", wait=1), post(bus, "tasks/1"), post(bus, "図 2", 3))

        lives = {key.decode(): server.ask("PTTL", key) for key in server.ask("KEYS", "*")}
        assert lives.keys() == {"nbl:events/tasks/1", "nbl:events/図 2", "nbl:bell"}
        assert all(50_000 < life <= 60_000 for key, life in lives.items() if key != "nbl:bell")
        assert 29 * 86_400_000 < lives["nbl:bell"] <= 30 * 86_400_000 + 1

    async def test_a_forgotten_script_is_sent_again(self, server: RedisServer, bus: RedisEventBus):
        await post(bus, "c")
        server.ask("SCRIPT", "FLUSH")

        assert len(await post(bus, "c")) == 1

    async def test_a_client_made_elsewhere_may_decode_speak_the_old_protocol_and_be_impatient(
        self, server: RedisServer
    ):
        async with Redis.from_url(server.url, decode_responses=True, protocol=2, socket_timeout=0.5) as client:
            bus = RedisEventBus(client)
            reader = asyncio.create_task(bus.read("é", wait=20))
            await until_waiting(server, bus, 1)
            await asyncio.sleep(0.7)
            await bus.publish("é", [("ü", b"\xff")], ttl=60)

            assert [(event.name, event.data) for event in await asyncio.wait_for(reader, 2)] == [("ü", b"\xff")]
            await bus.aclose()

    async def test_a_key_of_another_kind_is_an_outage_of_that_channel_only(
        self, server: RedisServer, bus: RedisEventBus
    ):
        server.ask("SET", "nbl:events/c", "something else")

        for call in (bus.read("c"), bus.read("c", wait=20), post(bus, "c")):
            with pytest.raises(QueueUnavailable):
                await call
        assert await post(bus, "d")


async def post(bus: RedisEventBus, channel: str, events: int = 1) -> list[str]:
    return await bus.publish(channel, [("n", b"")] * events, ttl=60)


async def until_waiting(server: RedisServer, bus: RedisEventBus, readers: int) -> None:
    await until(lambda: len(bus._bell._listeners) == readers and blocked(server) > 0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.002)


async def follow_in_a_process(server: RedisServer, channel: str, events: int) -> asyncio.subprocess.Process:
    script = Path(__file__).parent / "follow_in_a_process.py"
    return await asyncio.create_subprocess_exec(
        sys.executable, script, server.url, channel, f"{events}", stdout=asyncio.subprocess.PIPE
    )


def blocked(server: RedisServer) -> int:
    return server.ask("INFO", "clients")["blocked_clients"]


def connections(server: RedisServer) -> int:
    """How many there are, beside the one that asks."""
    return server.ask("INFO", "clients")["connected_clients"] - 1
