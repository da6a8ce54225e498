"""How the `EventBus` on Redis fails and recovers when the server does not work, whoever waits meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.event_bus import RedisEventBus
from nano_banana_lab.core.tasks.ports import Event, QueueUnavailable
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
async def bus(server: RedisServer) -> AsyncIterator[RedisEventBus]:
    async with connect(server.url) as client:
        bus = RedisEventBus(client)
        yield bus
        await bus.aclose()


async def test_a_server_that_is_down_is_unavailable_until_it_is_back(server: RedisServer, bus: RedisEventBus):
    (before,) = await post(bus, "c")
    readers = await waiting_readers(server, bus, 100, after=before)
    server.stop()
    try:
        await within_five_seconds_unavailable(*readers)
        await within_five_seconds_unavailable(*everything(bus))
    finally:
        server.start()

    await everything_works(server, bus)


async def test_a_server_that_hangs_is_unavailable_until_it_goes_on(server: RedisServer, bus: RedisEventBus):
    readers = await waiting_readers(server, bus, 200)
    server.pause()
    try:
        calls = [call for _ in range(100) for call in everything(bus)]
        await within_five_seconds_unavailable(*readers, *calls)
    finally:
        server.resume()

    await everything_works(server, bus)


async def test_those_who_wait_do_not_notice_a_restart_that_loses_everything(server: RedisServer, bus: RedisEventBus):
    server.ask("XADD", "nbl:bell", f"{2**52}-0", "channel", "so far ahead that no ring will follow")
    readers = await waiting_readers(server, bus, 20)
    server.stop()
    server.start()  # while this process does nothing else
    await post(bus, "c")

    assert [len(events) for events in await soon(*readers)] == [1] * 20


async def test_what_was_posted_while_the_connection_was_lost_is_read(server: RedisServer, bus: RedisEventBus):
    readers = await waiting_readers(server, bus, 20)
    for _ in range(3):
        server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        arguments = ("nbl:events/c", "nbl:bell", "c", 60_000, 60_000, 1000, "anywhere", "n", "")
        server.ask("EVAL", bus._publish.text, 2, *arguments)

    assert all(await soon(*readers))


async def test_a_bell_that_cannot_be_read_is_an_outage_and_no_endless_loop(server: RedisServer, bus: RedisEventBus):
    server.ask("SET", "nbl:bell", "something else")
    server.ask("CONFIG", "RESETSTAT")
    await within_five_seconds_unavailable(*everything(bus)[1:])

    assert server.ask("INFO", "commandstats")["cmdstat_xread"]["calls"] == 2


async def waiting_readers(
    server: RedisServer, bus: RedisEventBus, readers: int, *, after: str | None = None
) -> list[asyncio.Task[list[Event]]]:
    tasks = [asyncio.create_task(bus.read("c", after=after, wait=60)) for _ in range(readers)]
    async with asyncio.timeout(5):
        while not server.ask("INFO", "clients")["blocked_clients"] or bus._turns.locked():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.002)
    return tasks


def everything(bus: RedisEventBus) -> list[asyncio.Task]:
    calls = (bus.read("never"), bus.read("never", wait=60), post(bus, "c"))
    return [asyncio.ensure_future(call) for call in calls]


async def within_five_seconds_unavailable(*calls: asyncio.Task) -> None:
    started = time.monotonic()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(result) for result in results} == {QueueUnavailable}
    assert time.monotonic() - started < 5


async def everything_works(server: RedisServer, bus: RedisEventBus) -> None:
    (seen,) = await post(bus, "c")
    readers = await waiting_readers(server, bus, 20, after=seen)
    (new,) = await post(bus, "c")

    assert [[new]] * 20 == [[event.id for event in events] for events in await soon(*readers)]


async def soon(*readers: asyncio.Task[list[Event]]) -> list[list[Event]]:
    async with asyncio.timeout(3):
        return await asyncio.gather(*readers)


async def post(bus: RedisEventBus, channel: str) -> list[str]:
    return await bus.publish(channel, [("n", b"")], ttl=60)
