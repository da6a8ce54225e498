"""Any sequence of operations leaves every `KeyValueStore` in the state of a plain model of it."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from nano_banana_lab.core.storage.operations import (
    Add,
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
    check_operations,
)
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore, Page
from nano_banana_lab.testing.redis_server import RedisServer

LET_TIME_PASS_IN_REDIS = """
for _, key in ipairs(redis.call('KEYS', 'nbl:*')) do
  local moment = redis.call('PEXPIRETIME', key)
  if string.sub(key, 1, 6) == 'nbl:x:' then
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, -ARGV[1], member)
    end
  end
  if moment > 0 then
    redis.call('PEXPIREAT', key, moment - ARGV[1])
  end
end
"""
"""The server's clock cannot be moved, so every moment of expiry is: the effect is the same."""


class _Mortal(NamedTuple):
    content: Any
    expires_at: float


class Model:
    """The three spaces as dictionaries; time is a number of seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.values: dict[str, _Mortal] = {}
        self.counters: dict[str, _Mortal] = {}
        self.entries: dict[tuple[str, str], _Mortal] = {}

    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        for space in (self.values, self.counters, self.entries):
            for name in [name for name, mortal in space.items() if mortal.expires_at <= self.now]:
                del space[name]

    def commit(self, operations: Sequence[Operation]) -> tuple[int | None, ...] | tuple[str, int, Any]:
        for position, operation in enumerate(operations):
            refusal = self._refusal(operation)
            if refusal is not None:
                return ("refused", position, refusal[0])
        created = {o.key for o in operations if isinstance(o, Add)} - self.counters.keys()
        for key in created:
            ttls = [o.ttl for o in operations if isinstance(o, Add) and o.key == key and o.ttl is not None]
            self.counters[key] = _Mortal({}, self._moment(max(ttls, default=None)))
        return tuple([self._apply(operation) for operation in operations])

    def value(self, key: str) -> bytes | None:
        return self.values[key].content if key in self.values else None

    def amounts(self, key: str) -> dict[str, int]:
        return dict(self.counters[key].content) if key in self.counters else {}

    def listed(self, index: str) -> list[Entry]:
        found = [Entry(mortal.content, member) for (name, member), mortal in self.entries.items() if name == index]
        return sorted(found, key=lambda entry: (entry.score, entry.member.encode()))

    def page(
        self, index: str, *, limit: int, newest_first: bool, after: Entry | None, offset: int, **range_: Any
    ) -> Page:
        shown = [entry for entry in self.listed(index) if _within(entry.score, **range_)]
        if newest_first:
            shown = [entry for entry in reversed(shown) if after is None or entry < after]
        else:
            shown = [entry for entry in shown if after is None or entry > after]
        return Page(tuple(shown[offset : offset + limit]), has_more=len(shown) > offset + limit)

    def _refusal(self, operation: Operation) -> tuple[Any] | None:
        """What the operation finds when its condition does not hold."""
        if isinstance(operation, Put | Delete):
            current = self.value(operation.key)
            holds = operation.if_equals is None or operation.if_equals == current
            holds = holds and not (getattr(operation, "if_absent", False) and current is not None)
            holds = holds and not (getattr(operation, "if_present", False) and current is None)
            return None if holds else (current,)
        if isinstance(operation, Add):
            amount = self.amounts(operation.key).get(operation.field, 0)
            holds = operation.floor is None or amount + operation.amount >= operation.floor
            holds = holds and (operation.ceiling is None or amount + operation.amount <= operation.ceiling)
            return None if holds else (amount,)
        return None

    def _apply(self, operation: Operation) -> int | None:
        match operation:
            case Put(key=key, value=value):
                self.values[key] = _Mortal(value, self._moment(operation.ttl))
            case Delete(key=key):
                self.values.pop(key, None)
            case Expire(key=key, ttl=ttl):
                if key in self.values:
                    self.values[key] = _Mortal(self.values[key].content, self._moment(ttl))
            case Add(key=key, field=field):
                fields = self.counters[key].content
                fields[field] = fields.get(field, 0) + operation.amount
                return int(fields[field])
            case IndexPut(index=index, member=member):
                self.entries[index, member] = _Mortal(operation.score, self._moment(operation.ttl))
            case IndexRemove(index=index, member=member):
                self.entries.pop((index, member), None)
        return None

    def _moment(self, ttl: float | None) -> float:
        return float("inf") if ttl is None else self.now + ttl


def _within(score: int, *, min_score: int | None, max_score: int | None) -> bool:
    return (min_score is None or score >= min_score) and (max_score is None or score < max_score)


# Few names, so that operations meet.
NAMES = ["a", "b*", "🍌"]
names = st.sampled_from(NAMES)
contents = st.sampled_from([b"", b"x", b"\0y"])
scores = st.integers(-3, 3)
ttls = st.sampled_from([None, 20.0, 40.0])
entries = st.builds(Entry, scores, names)

operations = st.lists(
    st.one_of(
        st.builds(Put, key=names, value=contents, ttl=ttls, if_absent=st.booleans()),
        st.builds(Put, key=names, value=contents, ttl=ttls, if_equals=contents),
        st.builds(Delete, key=names, if_present=st.booleans(), if_equals=st.none() | contents),
        st.builds(
            Add,
            key=names,
            field=names,
            amount=st.integers(-3, 3),
            floor=st.none() | st.just(-2),
            ceiling=st.none() | st.just(4),
            ttl=ttls,
        ),
        st.builds(IndexPut, index=names, member=names, score=scores, ttl=ttls),
        st.builds(IndexRemove, index=names, member=names),
        st.builds(Expire, key=names, ttl=st.sampled_from([20.0, 40.0])),
    ),
    max_size=6,
)


class Machine(RuleBasedStateMachine):
    """Does the same to the store and to the model, each example under names of its own."""

    examples = itertools.count()

    def __init__(self, binding: Any, store: KeyValueStore, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._binding, self._store, self._loop = binding, store, loop
        self._prefix = f"{next(self.examples)}:"
        self._model = Model()

    @rule(operations=operations)
    def commit(self, operations: list[Operation]) -> None:
        named = tuple([self._named(operation) for operation in operations])
        try:
            check_operations(named)
        except ValueError:
            return  # two of them touch the same thing
        assert self._run(_outcome(self._store, named)) == self._model.commit(named)

    @rule(seconds=st.sampled_from([7.0, 30.0]))
    def let_time_pass(self, seconds: float) -> None:
        self._model.let_time_pass(seconds)
        self._run(self._binding.let_time_pass(seconds))

    @rule(
        index=names,
        limit=st.integers(1, 4),
        newest_first=st.booleans(),
        after=st.none() | entries,
        offset=st.integers(0, 3),
        min_score=st.none() | scores,
        max_score=st.none() | scores,
    )
    def look_at_a_page(self, index: str, min_score: int | None, max_score: int | None, **wanted: Any) -> None:
        index, range_ = self._prefix + index, {"min_score": min_score, "max_score": max_score}
        size = len([entry for entry in self._model.listed(index) if _within(entry.score, **range_)])

        assert self._run(self._store.page(index, **wanted, **range_)) == self._model.page(index, **wanted, **range_)
        assert self._run(self._store.count(index, **range_)) == size

    @rule()
    def look_at_everything(self) -> None:
        keys = [self._prefix + name for name in NAMES]
        assert self._run(self._store.get_many(keys)) == [self._model.value(key) for key in keys]
        for key in keys:
            assert self._run(self._store.counters(key)) == self._model.amounts(key)
            assert self._run(self._store.count(key)) == len(self._model.listed(key))

    def teardown(self) -> None:
        self.look_at_everything()

    def _named(self, operation: Operation) -> Operation:
        if isinstance(operation, IndexPut | IndexRemove):
            return msgspec.structs.replace(operation, index=self._prefix + operation.index)
        return msgspec.structs.replace(operation, key=self._prefix + operation.key)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _outcome(store: KeyValueStore, operations: tuple[Operation, ...]) -> tuple[Any, ...]:
    try:
        return await store.commit(*operations)
    except CommitRefused as refusal:
        return ("refused", refusal.position, refusal.current)


class LikeTheModel:
    async def test_any_sequence_of_operations_leaves_the_store_like_the_model(self, store: KeyValueStore):
        loop = asyncio.get_running_loop()
        effort = settings(max_examples=40, stateful_step_count=20, deadline=None, database=None)

        await asyncio.to_thread(run_state_machine_as_test, lambda: Machine(self, store, loop), settings=effort)


class TestMemory(InMemory, LikeTheModel): ...


class TestSqlite(InSqlite, LikeTheModel): ...


class TestRedis(InRedis, LikeTheModel):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self._server = redis_server

    async def let_time_pass(self, seconds: float) -> None:
        await asyncio.to_thread(self._server.ask, "EVAL", LET_TIME_PASS_IN_REDIS, 0, round(seconds * 1000))
