"""What every `KeyValueStore` promises of values, counters and commits.

The suites beside this one are about its indexes, about time (expiry) and about races.
"""

import pytest
from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite

from nano_banana_lab.core.storage.operations import (
    MAX_INTEGER,
    Add,
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
)
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore

HOSTILE_NAMES = [
    "naïve schön 图片 🍌",
    "../../etc/passwd",
    "a/b//c",
    "nul \0 inside",
    "'; DROP TABLE value; --",
    'say "hi"',
    "  spaces\tand\nlines  ",
    "*?[a-z]{}",
    "nbl:v:k",
    "%s %00 \\x00",
    "Case",
    "case",
    "x" * 1024,
    "🍌" * 256,
]

BAD_NAMES = ["", "x" * 1025, "🍌" * 257, "\ud800"]


class Values:
    @pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n$-1", b'{"v": 1}', b"\xab" * 1_000_000], ids=len)
    async def test_a_value_is_read_back_byte_for_byte(self, store: KeyValueStore, value: bytes):
        await store.commit(Put(key="k", value=value))

        assert await store.get("k") == value

    async def test_there_is_nothing_under_a_key_never_written(self, store: KeyValueStore):
        assert await store.get("k") is None

    async def test_many_values_come_in_the_order_asked_with_none_for_holes(self, store: KeyValueStore):
        await store.commit(Put(key="a", value=b"1"), Put(key="b", value=b"2"))

        assert await store.get_many(["b", "hole", "a", "b"]) == [b"2", None, b"1", b"2"]
        assert await store.get_many([]) == []

    async def test_a_thousand_values_can_be_asked_for_at_once_and_no_more(self, store: KeyValueStore):
        keys = [f"k{number}" for number in range(1001)]
        await store.commit(*[Put(key=key, value=key.encode()) for key in keys])

        assert await store.get_many(keys[:1000]) == [key.encode() for key in keys[:1000]]
        with pytest.raises(ValueError, match="1000"):
            await store.get_many(keys)

    async def test_a_later_put_replaces_the_value(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"old"))
        await store.commit(Put(key="k", value=b"new"))

        assert await store.get("k") == b"new"

    async def test_a_value_can_be_deleted_and_deleting_nothing_is_fine(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"v"))
        await store.commit(Delete(key="k"), Delete(key="never"))

        assert await store.get("k") is None

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    async def test_any_text_is_a_name(self, store: KeyValueStore, name: str):
        await store.commit(
            Put(key=name, value=b"v"),
            Add(key=name, field=name, amount=1),
            IndexPut(index=name, member=name, score=1),
        )

        assert await store.get(name) == b"v"
        assert await store.counters(name) == {name: 1}
        assert (await store.page(name, limit=2)).entries == (Entry(1, name),)

    async def test_hostile_names_do_not_meet(self, store: KeyValueStore):
        await store.commit(*[Put(key=name, value=name.encode()) for name in HOSTILE_NAMES])

        assert await store.get_many(HOSTILE_NAMES) == [name.encode() for name in HOSTILE_NAMES]

    @pytest.mark.parametrize("name", BAD_NAMES, ids=["empty", "1025 bytes", "1028 bytes", "half a surrogate pair"])
    async def test_a_name_outside_the_limits_is_refused_everywhere(self, store: KeyValueStore, name: str):
        for reading in (
            store.get(name),
            store.get_many(["fine", name]),
            store.counters(name),
            store.page(name, limit=1),
            store.count(name),
            store.commit(Put(key=name, value=b"v")),
            store.commit(Add(key="fine", field=name, amount=1)),
            store.commit(IndexPut(index="fine", member=name, score=1)),
        ):
            with pytest.raises(ValueError, match="a name must"):
                await reading


class Conditions:
    async def test_if_absent_accepts_a_key_that_holds_nothing(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"first", if_absent=True))

        assert await store.get("k") == b"first"

    async def test_if_absent_refuses_and_tells_what_is_there(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b""))

        await refused(store, Put(key="k", value=b"second", if_absent=True), current=b"")
        assert await store.get("k") == b""

    async def test_if_equals_accepts_exactly_the_value_that_is_there(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"\x00old"), Put(key="e", value=b""))
        await store.commit(Put(key="k", value=b"new", if_equals=b"\x00old"), Put(key="e", value=b"new", if_equals=b""))

        assert await store.get_many(["k", "e"]) == [b"new", b"new"]

    @pytest.mark.parametrize("expected", [b"", b"ol", b"old\x00", b"OLD"])
    async def test_if_equals_refuses_another_value_and_tells_which(self, store: KeyValueStore, expected: bytes):
        await store.commit(Put(key="k", value=b"old"))

        await refused(store, Put(key="k", value=b"new", if_equals=expected), current=b"old")
        await refused(store, Delete(key="k", if_equals=expected), current=b"old")
        assert await store.get("k") == b"old"

    @pytest.mark.parametrize("expected", [b"", b"old"])
    async def test_if_equals_refuses_when_there_is_nothing(self, store: KeyValueStore, expected: bytes):
        await refused(store, Put(key="k", value=b"new", if_equals=expected), current=None)
        await refused(store, Delete(key="k", if_equals=expected, if_present=True), current=None)

    async def test_a_delete_may_insist_that_something_is_there(self, store: KeyValueStore):
        await refused(store, Delete(key="k", if_present=True), current=None)
        await store.commit(Put(key="k", value=b"v"))
        await store.commit(Delete(key="k", if_present=True))

        assert await store.get("k") is None

    async def test_a_delete_may_insist_on_what_is_there(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"v"))
        await store.commit(Delete(key="k", if_equals=b"v"))

        assert await store.get("k") is None

    @pytest.mark.parametrize("last", [True, False], ids=["refusing last", "refusing first"])
    async def test_a_refused_commit_changes_nothing_at_all(self, store: KeyValueStore, *, last: bool):
        before = [
            Put(key="stays", value=b"old"),
            Add(key="c", field="f", amount=5),
            IndexPut(index="i", member="m", score=1),
        ]
        await store.commit(Put(key="k", value=b"v"), *before)
        changes: list[Operation] = [
            Put(key="stays", value=b"new"),
            Put(key="fresh", value=b"new"),
            Add(key="c", field="f", amount=1),
            IndexPut(index="i", member="m", score=2),
            IndexPut(index="i", member="n", score=3, ttl=60),
        ]
        changes.insert(len(changes) if last else 0, Delete(key="k", if_equals=b"other"))

        with pytest.raises(CommitRefused) as refusal:
            await store.commit(*changes)
        assert (refusal.value.position, refusal.value.current) == (5 if last else 0, b"v")
        assert await store.get_many(["k", "stays", "fresh"]) == [b"v", b"old", None]
        assert await store.counters("c") == {"f": 5}
        assert (await store.page("i", limit=9)).entries == (Entry(1, "m"),)

    async def test_the_first_of_several_refusing_operations_is_named(self, store: KeyValueStore):
        first = Add(key="c", field="f", amount=-1, floor=0)
        second = Delete(key="k", if_present=True)

        with pytest.raises(CommitRefused) as refusal:
            await store.commit(Put(key="fine", value=b"v"), first, second)
        assert (refusal.value.position, refusal.value.operation, refusal.value.current) == (1, first, 0)


class Counters:
    async def test_a_commit_answers_the_new_amount_of_each_add_and_none_for_the_rest(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="b", amount=7))
        results = await store.commit(
            Put(key="k", value=b"v"), Add(key="c", field="a", amount=-2), Add(key="c", field="b", amount=3)
        )

        assert results == (None, -2, 10)
        assert await store.counters("c") == {"a": -2, "b": 10}

    async def test_a_counter_once_written_is_listed_even_at_zero(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="f", amount=0))

        assert await store.counters("c") == {"f": 0}
        assert await store.counters("never") == {}

    async def test_floor_and_ceiling_are_reached_but_not_passed(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="f", amount=10, ceiling=10))
        await refused(store, Add(key="c", field="f", amount=1, ceiling=10), current=10)
        await store.commit(Add(key="c", field="f", amount=-10, floor=0))
        await refused(store, Add(key="c", field="f", amount=-1, floor=0), current=0)

        assert await store.counters("c") == {"f": 0}

    async def test_a_counter_outside_its_limits_may_not_even_stay_there(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="f", amount=10))

        await refused(store, Add(key="c", field="f", amount=0, ceiling=9), current=10)
        await refused(store, Add(key="c", field="f", amount=-5, ceiling=4), current=10)

    @pytest.mark.parametrize("sign", [1, -1])
    async def test_counters_are_exact_up_to_their_largest_amount(self, store: KeyValueStore, sign: int):
        await store.commit(Add(key="c", field="f", amount=sign * (MAX_INTEGER - 1)))
        await store.commit(Add(key="c", field="f", amount=sign))

        await refused(store, Add(key="c", field="f", amount=sign), current=sign * MAX_INTEGER)
        assert await store.counters("c") == {"f": sign * MAX_INTEGER}

    async def test_values_counters_and_indexes_of_one_name_are_three_things(self, store: KeyValueStore):
        await store.commit(
            Put(key="n", value=b"v"), Add(key="n", field="n", amount=1), IndexPut(index="n", member="n", score=1)
        )
        await store.commit(Delete(key="n"), IndexRemove(index="n", member="n"))

        assert (await store.get("n"), await store.counters("n"), await store.count("n")) == (None, {"n": 1}, 0)


class Commits:
    async def test_a_commit_of_nothing_answers_nothing(self, store: KeyValueStore):
        assert await store.commit() == ()

    @pytest.mark.parametrize(
        "operations",
        [
            (Put(key="k", value=b"1"), Delete(key="k")),
            (Put(key="k", value=b"1"), Expire(key="k", ttl=1)),
            (Add(key="k", field="f", amount=1), Add(key="k", field="f", amount=1)),
            (IndexPut(index="i", member="m", score=1), IndexRemove(index="i", member="m")),
            (Put(key="k", value=b"1", ttl=0),),
            (Expire(key="k", ttl=-1),),
            (Add(key="k", field="f", amount=MAX_INTEGER + 1),),
            (IndexPut(index="i", member="m", score=-MAX_INTEGER - 1),),
            (Put(key="k", value=b"1", if_absent=True, if_equals=b"0"),),
        ],
        ids=lambda operations: " ".join(type(operation).__name__ for operation in operations),
    )
    async def test_operations_that_make_no_sense_are_rejected_before_anything_is_done(
        self, store: KeyValueStore, operations: tuple[Operation, ...]
    ):
        with pytest.raises(ValueError, match=r"must|cannot|touch"):
            await store.commit(Put(key="innocent", value=b"v"), *operations)

        assert await store.get("innocent") is None

    async def test_a_store_that_works_answers_a_ping(self, store: KeyValueStore):
        assert await store.ping() is None


class TestMemory(InMemory, Values, Conditions, Counters, Commits): ...


class TestSqlite(InSqlite, Values, Conditions, Counters, Commits): ...


class TestRedis(InRedis, Values, Conditions, Counters, Commits): ...


async def refused(store: KeyValueStore, operation: Operation, *, current: bytes | int | None) -> None:
    with pytest.raises(CommitRefused) as refusal:
        await store.commit(operation)
    assert (refusal.value.position, refusal.value.operation, refusal.value.current) == (0, operation, current)
