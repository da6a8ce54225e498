"""Any sequence of posting, reading and waiting shows on every `EventBus` what it shows on a simple list."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest
from adapters_contract_tests.event_buses import InMemory, InRedis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from nano_banana_lab.core.tasks.event_limits import position
from nano_banana_lab.core.tasks.ports import Event, EventBus
from nano_banana_lab.testing.redis_server import RedisServer

LET_TIME_PASS_IN_REDIS = """
for _, key in ipairs(redis.call('KEYS', 'nbl:events/*')) do
  redis.call('PEXPIREAT', key, redis.call('PEXPIRETIME', key) - ARGV[1])
end
"""
"""The server's clock cannot be moved, so every moment of expiry is: the effect is the same."""

CHANNELS = ["a", "🍌"]
channels = st.sampled_from(CHANNELS)
events = st.lists(st.tuples(st.sampled_from(["n", "é"]), st.binary(max_size=3)), max_size=3)


class Model:
    """A list for each channel; time is a number of seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.channels: dict[str, list[Event]] = {}
        self.ends: dict[str, float] = {}

    def post(self, channel: str, posted: list[Event], ttl: float) -> None:
        if posted:
            self.channels.setdefault(channel, []).extend(posted)
            self.ends[channel] = self.now + ttl

    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        for channel in [channel for channel, end in self.ends.items() if end <= self.now]:
            del self.channels[channel], self.ends[channel]

    def read(self, channel: str, after: str | None, limit: int) -> list[Event]:
        listed = self.channels.get(channel, [])
        return [event for event in listed if after is None or position(event.id) > position(after)][:limit]


class Machine(RuleBasedStateMachine):
    """Does the same to the bus and to the model, each example in channels of its own."""

    examples = itertools.count()

    def __init__(self, binding: Any, bus: EventBus, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._binding, self._bus, self._loop = binding, bus, loop
        self._prefix = f"{next(self.examples)}:"
        self._model = Model()
        self._ids = ["0-0"]

    @rule(channel=channels, events=events, ttl=st.sampled_from([20.0, 40.0]))
    def post(self, channel: str, events: list[tuple[str, bytes]], ttl: float) -> None:
        self._posted(channel, events, self._run(self._bus.publish(self._prefix + channel, events, ttl=ttl)), ttl)

    @rule(channel=channels, events=events.filter(bool), readers=st.integers(1, 3))
    def post_while_readers_wait(self, channel: str, events: list[tuple[str, bytes]], readers: int) -> None:
        last = self._ids[-1]
        ids, *seen = self._run(self._post_and_read(self._prefix + channel, events, last, readers))
        self._posted(channel, events, ids, 40.0)

        assert seen == [self._model.read(channel, last, 100)] * readers

    @rule(channel=channels, limit=st.integers(1, 4), seen=st.none() | st.integers(0, 30), step=st.integers(-1, 1))
    def read(self, channel: str, limit: int, seen: int | None, step: int) -> None:
        """Behind nothing, or behind an id that was given out for whatever channel, or one next to it."""
        milliseconds, number = position(self._ids[(seen or 0) % len(self._ids)])
        after = None if seen is None else f"{milliseconds}-{max(0, number + step)}"

        found = self._run(self._bus.read(self._prefix + channel, after=after, limit=limit))
        assert found == self._model.read(channel, after, limit)

    @rule(seconds=st.sampled_from([7.0, 30.0]))
    def let_time_pass(self, seconds: float) -> None:
        self._model.let_time_pass(seconds)
        self._run(self._binding.let_time_pass(seconds))

    async def _post_and_read(self, channel: str, events: list[tuple[str, bytes]], after: str, readers: int) -> Any:
        reading = [self._bus.read(channel, after=after, wait=5) for _ in range(readers)]
        posting = self._bus.publish(channel, events, ttl=40.0)
        *seen, ids = await asyncio.gather(*reading, posting)
        return ids, *seen

    def _posted(self, channel: str, events: list[tuple[str, bytes]], ids: list[str], ttl: float) -> None:
        together = zip(ids, events, strict=True)
        self._model.post(
            channel, [Event(id=event_id, name=name, data=data) for event_id, (name, data) in together], ttl
        )
        self._ids += ids
        assert self._ids == sorted(set(self._ids), key=position)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class LikeTheModel:
    async def test_any_sequence_of_calls_shows_what_the_model_shows(self, bus: EventBus):
        loop = asyncio.get_running_loop()
        effort = settings(max_examples=30, stateful_step_count=20, deadline=None, database=None)

        await asyncio.to_thread(run_state_machine_as_test, lambda: Machine(self, bus, loop), settings=effort)


class TestMemory(InMemory, LikeTheModel): ...


class TestRedis(InRedis, LikeTheModel):
    @pytest.fixture(autouse=True)
    def server_to_move(self, redis_server: RedisServer) -> None:
        self._server = redis_server

    async def let_time_pass(self, seconds: float) -> None:
        await asyncio.to_thread(self._server.ask, "EVAL", LET_TIME_PASS_IN_REDIS, 0, round(seconds * 1000))
