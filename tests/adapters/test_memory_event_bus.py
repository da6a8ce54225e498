"""What is peculiar to the `EventBus` in memory: what it holds, and a clock that goes back."""

import asyncio
import tracemalloc
from datetime import timedelta

import pytest

from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus
from nano_banana_lab.core.tasks.event_limits import position
from nano_banana_lab.testing.frozen_clock import START, FrozenClock


class MovableClock:
    now_is = START

    def now(self):
        return self.now_is


async def test_memory_stays_flat_however_many_channels_come_and_go():
    clock = FrozenClock()
    bus = MemoryEventBus(clock)
    tracemalloc.start()
    try:
        held = [await held_after_thousands_of_channels(bus, clock) for _ in range(3)]
    finally:
        tracemalloc.stop()

    assert sum(held) < 500_000
    assert max(held[1:]) < 10_000
    assert bus._channels.keys() == {"last"}


async def test_a_channel_that_is_prolonged_again_and_again_takes_no_more_than_its_events():
    bus = MemoryEventBus(FrozenClock())
    for _ in range(1000):
        await bus.publish("c", [("n", b"")], ttl=60)

    assert len(bus._expiry._queue) < 100


async def test_ids_and_their_order_survive_a_clock_that_goes_back():
    clock = MovableClock()
    bus = MemoryEventBus(clock)
    ids = await bus.publish("c", [("n", b""), ("n", b"")], ttl=7200)
    clock.now_is = START - timedelta(hours=1)
    ids += await bus.publish("c", [("n", b""), ("n", b"")], ttl=7200)
    clock.now_is = START + timedelta(seconds=1)
    ids += await bus.publish("c", [("n", b"")], ttl=7200)

    assert ids == sorted(set(ids), key=position)
    assert ids == [event.id for event in await bus.read("c")]


@pytest.mark.parametrize("moments", range(4))
async def test_nothing_is_left_of_readers_that_were_cancelled(moments: int):
    bus = MemoryEventBus(FrozenClock())
    readers = [asyncio.create_task(bus.read(f"c{number}", wait=60)) for number in range(100)]
    for _ in range(moments):
        await asyncio.sleep(0)
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)

    assert bus._listeners._listening == {}


async def held_after_thousands_of_channels(bus: MemoryEventBus, clock: FrozenClock) -> int:
    """How many bytes are left of 5,000 channels that have expired, once anybody posts anywhere."""
    before, _ = tracemalloc.get_traced_memory()
    for number in range(5000):
        await bus.publish(f"c{number}", [("progress", b'{"percent": 50}')] * 3, ttl=60)
    clock.advance(61)
    await bus.publish("last", [("n", b"")], ttl=60)
    return tracemalloc.get_traced_memory()[0] - before
