"""What every `EventBus` promises of channels that are forgotten, and of the ids that follow."""

from adapters_contract_tests.event_buses import InMemory, InRedis, names, post

from nano_banana_lab.core.tasks.event_limits import position
from nano_banana_lab.core.tasks.ports import EventBus

SOON = 0.1
"""A time to live, in seconds, of what is expected to be gone in the end."""


class Expiry:
    async def test_a_channel_is_forgotten_as_a_whole(self, bus: EventBus):
        await post(bus, "c", "a", "b", ttl=SOON)
        await post(bus, "kept", "a")
        await self.let_time_pass(SOON * 1.1)

        assert await bus.read("c") == []
        assert names(await bus.read("kept")) == ["a"]

    async def test_a_new_event_prolongs_the_life_of_those_before(self, bus: EventBus):
        await post(bus, "c", "a", ttl=SOON)
        await post(bus, "c", "b")
        await self.let_time_pass(SOON * 1.1)

        assert names(await bus.read("c")) == ["a", "b"]

    async def test_the_time_to_live_of_the_last_event_counts_also_when_it_is_shorter(self, bus: EventBus):
        await post(bus, "c", "a")
        await post(bus, "c", "b", ttl=SOON)
        await self.let_time_pass(SOON * 1.1)

        assert await bus.read("c") == []

    async def test_posting_nothing_does_not_prolong_a_channel(self, bus: EventBus):
        await post(bus, "c", "a", ttl=SOON)
        await bus.publish("c", [], ttl=60)
        await self.let_time_pass(SOON * 1.1)

        assert await bus.read("c") == []

    async def test_a_time_to_live_of_a_millisecond_is_one(self, bus: EventBus):
        await post(bus, "c", "a", ttl=0.001)
        await self.let_time_pass(0.01)

        assert await bus.read("c") == []

    async def test_a_forgotten_channel_begins_again_without_its_past(self, bus: EventBus):
        await post(bus, "c", "old", ttl=SOON)
        await self.let_time_pass(SOON * 1.1)
        await post(bus, "c", "new")

        assert names(await bus.read("c")) == ["new"]

    async def test_a_forgotten_channel_is_as_empty_as_a_new_one(self, bus: EventBus):
        await post(bus, "c", "old", ttl=SOON)
        await bus.publish("c", [("begun", b"")], ttl=60, if_empty=True)  # prolongs nothing
        await self.let_time_pass(SOON * 1.1)

        assert await bus.publish("c", [("more", b"")], ttl=60, if_empty=False) == []
        assert len(await bus.publish("c", [("begun", b"")], ttl=60, if_empty=True)) == 1

    async def test_a_reader_goes_on_behind_an_event_that_was_forgotten_with_its_channel(self, bus: EventBus):
        (seen,) = await post(bus, "c", "old", ttl=SOON)
        await self.let_time_pass(SOON * 1.1)

        assert await bus.read("c", after=seen) == []
        await post(bus, "c", "new")
        assert names(await bus.read("c", after=seen)) == ["new"]

    async def test_ids_grow_beyond_the_end_of_a_channel(self, bus: EventBus):
        ids = []
        for _ in range(5):
            ids += await post(bus, "c", "a", "b", ttl=0.002)
            await self.let_time_pass(0.003)

        assert ids == sorted(set(ids), key=position)

    async def test_ids_grow_beyond_a_restart(self, bus: EventBus):
        before = await post(bus, "c", "a", "b", "c")
        after = await post(await self.restarted(), "c", "a")

        assert position(before[-1]) < position(after[0])

    async def test_thousands_of_channels_come_and_go(self, bus: EventBus):
        for number in range(2000):
            await post(bus, f"{number}", "a", ttl=SOON)
        await post(bus, "c", "kept")
        await self.let_time_pass(SOON * 1.1)

        assert [await bus.read(f"{number}") for number in range(0, 2000, 200)] == [[]] * 10
        assert names(await bus.read("c")) == ["kept"]


class TestMemory(InMemory, Expiry): ...


class TestRedis(InRedis, Expiry): ...
