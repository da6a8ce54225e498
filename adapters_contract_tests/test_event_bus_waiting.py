"""What every `EventBus` promises to those who wait for an event."""

import asyncio
import time

import pytest
from adapters_contract_tests.event_buses import InMemory, InRedis, names, post

from nano_banana_lab.core.tasks.ports import Event, EventBus

A_WHILE = 20.0
"""Seconds that nobody waits in these tests, unless a promise is broken."""


class Waiting:
    async def test_a_reader_that_waits_is_woken_by_the_first_event(self, bus: EventBus):
        reader = waiting(bus, "c")
        await self.until_waiting(1)
        await post(bus, "c", "a", "b")

        assert names(await soon(reader)) == ["a", "b"]

    async def test_a_reader_that_has_seen_everything_waits_for_what_follows(self, bus: EventBus):
        (seen,) = await post(bus, "c", "old")
        reader = waiting(bus, "c", after=seen)
        await self.until_waiting(1)
        await post(bus, "c", "new")

        assert names(await soon(reader)) == ["new"]

    async def test_nobody_waits_for_what_is_there(self, bus: EventBus):
        await post(bus, "c", "a")

        assert names(await soon(waiting(bus, "c"))) == ["a"]

    async def test_a_wait_in_vain_ends_with_nothing(self, bus: EventBus):
        await post(bus, "other", "a")
        started = time.monotonic()

        assert await bus.read("c", wait=0.2) == []
        assert 0.19 < time.monotonic() - started < 1

    @pytest.mark.parametrize("wait", [0, -1])
    async def test_who_does_not_want_to_wait_does_not(self, bus: EventBus, wait: float):
        assert await soon(asyncio.create_task(bus.read("c", wait=wait))) == []

    async def test_a_reader_sleeps_on_when_another_channel_has_news(self, bus: EventBus):
        reader = waiting(bus, "c")
        await self.until_waiting(1)
        await post(bus, "other", "not this")
        await post(bus, "c", "this")

        assert names(await soon(reader)) == ["this"]

    async def test_a_reader_ahead_of_its_channel_sleeps_on(self, bus: EventBus):
        reader = asyncio.create_task(bus.read("c", after=f"{2**62}-0", wait=0.3))
        await self.until_waiting(1)
        await post(bus, "c", "of the past")

        assert await soon(reader) == []

    async def test_hundreds_of_readers_of_many_channels_are_all_woken(self, bus: EventBus):
        readers = [waiting(bus, f"c{number % 50}") for number in range(200)]
        await self.until_waiting(200)
        await asyncio.gather(*[post(bus, f"c{number}", f"{number}") for number in range(50)])

        found = await soon(asyncio.gather(*readers))
        assert [names(events) for events in found] == [[f"{number % 50}"] for number in range(200)]

    async def test_no_event_is_missed_however_posting_and_waiting_meet(self, bus: EventBus):
        """A reader that goes on as soon as it has something, while somebody posts without looking."""
        wanted = [f"{number}" for number in range(200)]
        reader = asyncio.create_task(follow(bus, "c", len(wanted)))
        for name in wanted:
            await post(bus, "c", name)
            await asyncio.sleep(0)

        assert names(await soon(reader)) == wanted

    async def test_a_first_reader_misses_nothing_that_is_posted_as_it_comes(self, bus: EventBus):
        for number in range(30):
            reader = waiting(bus, f"c{number}")
            for _ in range(number % 10):
                await asyncio.sleep(0)
            await post(bus, f"c{number}", "a")

            assert names(await soon(reader)) == ["a"]

    async def test_a_reader_that_goes_away_takes_nothing_with_it(self, bus: EventBus):
        readers = [waiting(bus, "c") for _ in range(20)]
        await self.until_waiting(20)
        for reader in readers[::2]:
            reader.cancel()
        await self.until_waiting(10)
        await post(bus, "c", "a")

        assert [names(events) for events in await soon(asyncio.gather(*readers[1::2]))] == [["a"]] * 10
        assert names(await bus.read("c")) == ["a"]
        assert all(reader.cancelled() for reader in readers[::2])

    async def test_waiting_can_begin_again_when_nobody_has_waited_for_a_while(self, bus: EventBus):
        for number, pause in enumerate([0, 1.1, 0]):
            reader = waiting(bus, f"c{number}")
            await self.until_waiting(1)
            await post(bus, f"c{number}", "a")

            assert names(await soon(reader)) == ["a"]
            await self.let_time_pass(pause)


def waiting(bus: EventBus, channel: str, *, after: str | None = None) -> asyncio.Task[list[Event]]:
    return asyncio.create_task(bus.read(channel, after=after, wait=A_WHILE))


async def soon(reader: asyncio.Future) -> list:
    """What it finds, which is due in much less time than it would take to find it by looking now and then."""
    async with asyncio.timeout(A_WHILE / 10):
        return await reader


async def follow(bus: EventBus, channel: str, wanted: int) -> list[Event]:
    seen: list[Event] = []
    while len(seen) < wanted:
        seen += await bus.read(channel, after=seen[-1].id if seen else None, wait=A_WHILE)
    return seen


class TestMemory(InMemory, Waiting): ...


class TestRedis(InRedis, Waiting): ...
