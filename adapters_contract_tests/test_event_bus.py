"""What every `EventBus` promises of order, of going on behind an id, and of what may be asked.

The suites beside this one are about waiting and about channels that are forgotten.
"""

import asyncio
import itertools

import pytest
from adapters_contract_tests.event_buses import LONG, InMemory, InRedis, everything, names, post

from nano_banana_lab.core.tasks.event_limits import position
from nano_banana_lab.core.tasks.ports import Event, EventBus, is_event_id

HOSTILE_NAMES = [
    "naïve schön 图片 🍌",
    "a/b//c",
    "nul \0 inside",
    "spaces\tand\r\nlines",
    "*?[a-z]{}",
    "🍌" * 256,
    "-1",
]
BAD_NAMES = ["", "x" * 1025, "\ud800"]
BAD_IDS = ["", "-", "1", "1-", "-1", "1-x", "1-2-3", "$", "+", "0x1-1", "1 -1", "\u0661-1", f"{2**63}-0", "(1-1"]
BAD_TIMES_TO_LIVE = [0, -1, 0.0001, 11 * 366 * 86400, float("nan"), float("inf")]


class Order:
    async def test_events_are_read_in_the_order_in_which_they_were_posted(self, bus: EventBus):
        ids = await post(bus, "c", "first", "second")
        ids += await post(bus, "c", "third")

        first, second, third = await bus.read("c")
        assert first == Event(id=ids[0], name="first", data=b"first")
        assert second == Event(id=ids[1], name="second", data=b"second")
        assert third == Event(id=ids[2], name="third", data=b"third")

    async def test_ids_have_the_form_of_ids_and_grow_whatever_the_channel(self, bus: EventBus):
        ids = [event_id for channel in "abcab" for event_id in await post(bus, channel, "x", "y")]

        assert all(map(is_event_id, ids))
        assert ids == sorted(set(ids), key=position)

    async def test_all_readers_see_the_same(self, bus: EventBus):
        await asyncio.gather(*[post(bus, "c", f"{publisher}") for publisher in range(20)])
        seen = await asyncio.gather(*[everything(bus, "c", limit=limit) for limit in (1, 3, 7, 1000)])

        assert all(events == seen[0] for events in seen)
        assert len(seen[0]) == 20

    async def test_channels_keep_to_themselves(self, bus: EventBus):
        await post(bus, "c", "mine")
        await post(bus, "C", "other")
        await post(bus, "c/1", "another")

        assert names(await bus.read("c")) == ["mine"]
        assert await bus.read("c/") == []

    async def test_a_channel_nobody_posted_in_is_empty(self, bus: EventBus):
        assert await bus.read("never") == []

    async def test_racing_publishers_lose_nothing_and_each_keeps_its_events_together(self, bus: EventBus):
        batches = [[f"{publisher} {number}" for number in range(5)] for publisher in range(100)]
        ids = await asyncio.gather(*[post(bus, "c", *batch) for batch in batches])
        seen = await everything(bus, "c", limit=1000)

        assert [event.id for event in seen] == sorted(itertools.chain(*ids), key=position)
        together = [names(seen[first : first + 5]) for first in range(0, 500, 5)]
        assert sorted(together) == sorted(batches)

    async def test_posting_nothing_does_nothing(self, bus: EventBus):
        assert await bus.publish("c", [], ttl=LONG) == []
        assert await bus.read("c") == []

    async def test_a_thousand_events_can_be_posted_at_once_and_no_more(self, bus: EventBus):
        ids = await bus.publish("c", [("n", b"%d" % number) for number in range(1000)], ttl=LONG)
        with pytest.raises(ValueError, match="1000"):
            await bus.publish("c", [("n", b"")] * 1001, ttl=LONG)

        assert ids == [event.id for event in await bus.read("c", limit=1000)]


class Beginnings:
    async def test_what_begins_a_channel_is_posted_only_while_there_is_nothing_in_it(self, bus: EventBus):
        (first,) = await bus.publish("c", [("begun", b"")], ttl=LONG, if_empty=True)

        assert await bus.publish("c", [("begun", b"again")], ttl=LONG, if_empty=True) == []
        assert await bus.read("c") == [Event(id=first, name="begun", data=b"")]

    async def test_what_goes_on_is_posted_only_behind_a_beginning(self, bus: EventBus):
        assert await bus.publish("c", [("a", b"")], ttl=LONG, if_empty=False) == []
        assert await bus.read("c") == []
        await post(bus, "c", "begun")

        assert len(await bus.publish("c", [("a", b""), ("b", b"")], ttl=LONG, if_empty=False)) == 2
        assert names(await bus.read("c")) == ["begun", "a", "b"]

    async def test_of_all_who_begin_a_channel_at_once_one_does(self, bus: EventBus):
        tries = [bus.publish("c", [(f"{number}", b""), ("x", b"")], ttl=LONG, if_empty=True) for number in range(20)]
        posted = [ids for ids in await asyncio.gather(*tries) if ids]

        assert posted == [[event.id for event in await bus.read("c")]]


class Content:
    @pytest.mark.parametrize(
        "data", [b"", b"\x00\xff\r\n$-1", b'{"a": "\xf0\x9f\x8d\x8c"}', b"\xab" * 1_000_000], ids=len
    )
    async def test_data_is_read_back_byte_for_byte(self, bus: EventBus, data: bytes):
        await bus.publish("c", [("n", data)], ttl=LONG)

        assert [data] == [event.data for event in await bus.read("c")]

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    async def test_any_text_names_a_channel_or_an_event(self, bus: EventBus, name: str):
        await post(bus, name, name, "n")

        assert [name, "n"] == names(await bus.read(name, wait=5))


class GoingOn:
    async def test_a_reader_goes_on_behind_any_event_it_has_seen(self, bus: EventBus):
        ids = await post(bus, "c", *"abcde")

        for seen, event_id in enumerate(ids, start=1):
            assert list("abcde"[seen:]) == names(await bus.read("c", after=event_id))

    async def test_a_reader_gets_no_more_than_it_asks_for_and_goes_on_from_there(self, bus: EventBus):
        await post(bus, "c", *[f"{number}" for number in range(101)])

        assert [f"{number}" for number in range(3)] == names(await bus.read("c", limit=3))
        assert len(await bus.read("c")) == 100
        assert [f"{number}" for number in range(101)] == names(await everything(bus, "c", limit=7))

    async def test_an_id_that_never_was_has_its_place_all_the_same(self, bus: EventBus):
        first, second = await post(bus, "c", "a", "b")
        milliseconds, number = position(first)

        assert names(await bus.read("c", after="0-0")) == ["a", "b"]
        assert names(await bus.read("c", after=f"{milliseconds - 1}-{number + 7}")) == ["a", "b"]
        assert names(await bus.read("c", after=f"0{first}")) == ["b"]
        assert await bus.read("c", after=f"{position(second)[0]}-{2**63 - 1}") == []

    async def test_there_is_nothing_yet_behind_an_id_in_the_future(self, bus: EventBus):
        ((milliseconds, number),) = map(position, await post(bus, "c", "a"))
        future = f"{milliseconds + 3_600_000}-{number}"
        await post(bus, "c", "b")

        assert await bus.read("c", after=future) == []
        assert await bus.read("c", after=f"{2**63 - 1}-{2**63 - 1}", wait=0.01) == []


class Refusals:
    @pytest.mark.parametrize("after", BAD_IDS)
    async def test_what_is_no_id_is_refused(self, bus: EventBus, after: str):
        with pytest.raises(ValueError, match="id"):
            await bus.read("c", after=after)

    @pytest.mark.parametrize("limit", [0, -1, 1001])
    async def test_one_to_a_thousand_events_can_be_asked_for(self, bus: EventBus, limit: int):
        with pytest.raises(ValueError, match="1000"):
            await bus.read("c", limit=limit, wait=1)

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_a_bad_name_is_refused_wherever_it_stands_and_nothing_is_posted(self, bus: EventBus, name: str):
        for attempt in (bus.read(name), post(bus, name, "n"), bus.publish("c", [("n", b""), (name, b"")], ttl=LONG)):
            with pytest.raises(ValueError, match="name"):
                await attempt

        assert await bus.read("c") == []

    @pytest.mark.parametrize("ttl", BAD_TIMES_TO_LIVE)
    async def test_a_time_to_live_is_between_a_millisecond_and_ten_years(self, bus: EventBus, ttl: float):
        with pytest.raises(ValueError, match="time to live"):
            await bus.publish("c", [("n", b"")], ttl=ttl)


class Promises(Order, Beginnings, Content, GoingOn, Refusals): ...


class TestMemory(InMemory, Promises): ...


class TestRedis(InRedis, Promises): ...
