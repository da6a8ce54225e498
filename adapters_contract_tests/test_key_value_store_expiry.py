"""What every `KeyValueStore` promises of things that have a time to live."""

from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite

from nano_banana_lab.core.storage.operations import Add, Delete, Expire, IndexPut, IndexRemove, Put
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore

SOON = 0.05
"""A time to live, in seconds, of what is expected to be gone in the end."""

BRIEF = 0.5
"""A time to live, in seconds, that the two or three round trips to come do not outlast."""

LONG = 3600.0


class Expiry:
    async def test_a_value_is_gone_after_its_time_to_live(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"v", ttl=SOON), Put(key="kept", value=b"v", ttl=LONG))
        await self.let_time_pass(SOON * 1.1)

        assert await store.get_many(["k", "kept"]) == [None, b"v"]
        assert await store.get("k") is None

    async def test_a_time_to_live_of_a_millisecond_is_one(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"v", ttl=0.001))
        await self.let_time_pass(0.01)

        assert await store.get("k") is None

    async def test_an_expired_value_is_absent_for_conditions(self, store: KeyValueStore):
        await store.commit(*[Put(key=key, value=b"v", ttl=SOON) for key in "abc"])
        await self.let_time_pass(SOON * 1.1)
        await store.commit(Put(key="a", value=b"new", if_absent=True), Delete(key="b"), Expire(key="c", ttl=LONG))

        assert await store.get_many(["a", "b", "c"]) == [b"new", None, None]

    async def test_a_put_replaces_the_time_to_live_too(self, store: KeyValueStore):
        await store.commit(Put(key="a", value=b"v", ttl=BRIEF), Put(key="b", value=b"v", ttl=BRIEF))
        await store.commit(Put(key="a", value=b"v"), Put(key="b", value=b"v", ttl=LONG))
        await store.commit(Put(key="c", value=b"v"))
        await store.commit(Put(key="c", value=b"v", ttl=SOON))
        await self.let_time_pass(BRIEF * 1.1)

        assert await store.get_many(["a", "b", "c"]) == [b"v", b"v", None]

    async def test_expire_shortens_and_prolongs_the_life_of_a_value(self, store: KeyValueStore):
        await store.commit(
            Put(key="longer", value=b"v", ttl=BRIEF),
            Put(key="shorter", value=b"v", ttl=LONG),
            Put(key="mortal", value=b"v"),
        )
        await store.commit(
            Expire(key="longer", ttl=LONG),
            Expire(key="shorter", ttl=SOON),
            Expire(key="mortal", ttl=SOON),
            Expire(key="never", ttl=LONG),
        )
        await self.let_time_pass(BRIEF * 1.1)

        assert await store.get_many(["longer", "shorter", "mortal", "never"]) == [b"v", None, None, None]

    async def test_all_counters_of_a_key_end_together_and_begin_again_at_zero(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="a", amount=5, ttl=BRIEF))
        await store.commit(Add(key="c", field="b", amount=7))
        await self.let_time_pass(BRIEF * 1.1)

        assert await store.counters("c") == {}
        assert await store.commit(Add(key="c", field="a", amount=1, ceiling=1, ttl=LONG)) == (1,)
        assert await store.counters("c") == {"a": 1}

    async def test_a_window_that_has_begun_is_not_prolonged(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="a", amount=5, ttl=BRIEF))
        await store.commit(Add(key="c", field="a", amount=1, ttl=LONG), Add(key="c", field="new", amount=1, ttl=LONG))
        await self.let_time_pass(BRIEF * 1.1)

        assert await store.counters("c") == {}

    async def test_any_number_of_expired_counters_begin_again_at_zero(self, store: KeyValueStore):
        fields = [f"{number}" for number in range(250)]
        await store.commit(*[Add(key="c", field=field, amount=5, ttl=SOON) for field in fields])
        await self.let_time_pass(SOON * 1.1)
        await store.commit(*[Add(key="c", field=field, amount=1, ttl=LONG) for field in fields])

        assert await store.counters("c") == dict.fromkeys(fields, 1)

    async def test_counters_that_began_without_a_window_get_none_later(self, store: KeyValueStore):
        await store.commit(Add(key="c", field="a", amount=5))
        await store.commit(Add(key="c", field="a", amount=1, ttl=SOON), Add(key="c", field="b", amount=1, ttl=SOON))
        await self.let_time_pass(SOON * 1.1)

        assert await store.counters("c") == {"a": 6, "b": 1}

    async def test_the_longest_of_the_windows_that_one_commit_begins_counts(self, store: KeyValueStore):
        await store.commit(
            Add(key="c", field="a", amount=1, ttl=SOON),
            Add(key="c", field="b", amount=1, ttl=LONG),
            Add(key="c", field="c", amount=1, ttl=SOON),
            Add(key="c", field="d", amount=1),
            Add(key="short", field="a", amount=1, ttl=SOON),
            Add(key="short", field="b", amount=1),
        )
        await self.let_time_pass(SOON * 1.1)

        assert await store.counters("c") == {"a": 1, "b": 1, "c": 1, "d": 1}
        assert await store.counters("short") == {}

    async def test_an_entry_leaves_pages_and_counts_by_itself(self, store: KeyValueStore):
        await store.commit(
            IndexPut(index="i", member="forever", score=1),
            IndexPut(index="i", member="passing", score=2, ttl=SOON),
            IndexPut(index="i", member="lasting", score=3, ttl=LONG),
        )
        await self.let_time_pass(SOON * 1.1)

        assert (await store.count("i"), await store.count("i", min_score=1, max_score=3)) == (2, 1)
        assert (await store.page("i", limit=2)).entries == (Entry(3, "lasting"), Entry(1, "forever"))
        assert not (await store.page("i", limit=2)).has_more

    async def test_an_index_whose_entries_have_all_expired_is_empty_and_can_begin_again(self, store: KeyValueStore):
        await store.commit(*[IndexPut(index="i", member=member, score=1, ttl=SOON) for member in "abc"])
        await self.let_time_pass(SOON * 1.1)

        assert await store.count("i") == 0
        await store.commit(IndexPut(index="i", member="a", score=5))
        assert (await store.page("i", limit=9)).entries == (Entry(5, "a"),)

    async def test_putting_an_entry_again_replaces_its_time_to_live(self, store: KeyValueStore):
        await store.commit(*[IndexPut(index="i", member=member, score=1, ttl=BRIEF) for member in "abc"])
        await store.commit(
            IndexPut(index="i", member="a", score=1),
            IndexPut(index="i", member="b", score=1, ttl=LONG),
            IndexPut(index="i", member="c", score=1, ttl=SOON),
        )
        await self.let_time_pass(BRIEF * 1.1)

        assert (await store.page("i", limit=9, newest_first=False)).entries == (Entry(1, "a"), Entry(1, "b"))

    async def test_an_entry_without_a_time_to_live_outlasts_all_others_of_its_index(self, store: KeyValueStore):
        await store.commit(*[IndexPut(index="i", member=member, score=1, ttl=SOON) for member in "abc"])
        await store.commit(IndexPut(index="i", member="stays", score=1))
        await self.let_time_pass(SOON * 1.1)

        assert (await store.page("i", limit=9)).entries == (Entry(1, "stays"),)

    async def test_what_remains_expires_when_the_lasting_entries_are_removed(self, store: KeyValueStore):
        await store.commit(IndexPut(index="i", member="stays", score=1))
        await store.commit(*[IndexPut(index="i", member=member, score=1, ttl=SOON) for member in "abc"])
        await store.commit(IndexRemove(index="i", member="stays"), IndexRemove(index="i", member="a"))
        await self.let_time_pass(SOON * 1.1)

        assert await store.count("i") == 0

    async def test_paging_goes_on_behind_an_entry_that_has_expired(self, store: KeyValueStore):
        await store.commit(
            *[IndexPut(index="i", member=f"{number}", score=number) for number in range(5)],
            IndexPut(index="i", member="passing", score=3, ttl=SOON),
        )
        await self.let_time_pass(SOON * 1.1)

        behind = await store.page("i", limit=9, after=Entry(3, "passing"))
        assert [entry.member for entry in behind.entries] == ["3", "2", "1", "0"]

    async def test_thousands_of_entries_may_expire_at_once(self, store: KeyValueStore):
        passing = [IndexPut(index="i", member=f"{number}", score=number, ttl=SOON) for number in range(3000)]
        await store.commit(IndexPut(index="i", member="stays", score=1500), *passing)
        await self.let_time_pass(SOON * 1.1)

        assert await store.count("i") == 1
        assert (await store.page("i", limit=9)).entries == (Entry(1500, "stays"),)


class TestMemory(InMemory, Expiry): ...


class TestSqlite(InSqlite, Expiry): ...


class TestRedis(InRedis, Expiry): ...
