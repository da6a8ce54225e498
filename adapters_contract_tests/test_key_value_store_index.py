"""What every `KeyValueStore` promises of its indexes: order, pages and counts."""

import random

import pytest
from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite

from nano_banana_lab.core.storage.operations import MAX_INTEGER, IndexPut, IndexRemove
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore

MANY = 100_000


class Order:
    async def test_an_index_never_written_is_an_empty_page(self, store: KeyValueStore):
        page = await store.page("i", limit=10)

        assert (page.entries, page.has_more, await store.count("i")) == ((), False, 0)

    async def test_entries_come_by_score_and_then_by_the_bytes_of_the_member(self, store: KeyValueStore):
        # U+FF5E sorts behind the emoji in UTF-16 and before it in UTF-8.
        members = ["B", "a", "a\0", "aa", "ä", "\uff5e", "🍌"]
        ascending = [Entry(-5, "z"), *[Entry(0, member) for member in sorted(members, key=str.encode)], Entry(7, "A")]
        await store.commit(*[IndexPut(index="i", member=entry.member, score=entry.score) for entry in ascending])

        assert list((await store.page("i", limit=20, newest_first=False)).entries) == ascending
        assert list((await store.page("i", limit=20)).entries) == ascending[::-1]

    async def test_scores_are_exact_to_the_last_unit(self, store: KeyValueStore):
        scores = [-MAX_INTEGER, 1 - MAX_INTEGER, -1, 0, 1, MAX_INTEGER - 1, MAX_INTEGER]
        await store.commit(*[IndexPut(index="i", member=f"{score}", score=score) for score in scores])

        assert [entry.score for entry in (await store.page("i", limit=9, newest_first=False)).entries] == scores
        assert await store.count("i", min_score=MAX_INTEGER) == 1
        assert await store.count("i", max_score=1 - MAX_INTEGER) == 1

    async def test_putting_a_member_again_moves_it(self, store: KeyValueStore):
        await store.commit(IndexPut(index="i", member="m", score=1), IndexPut(index="i", member="n", score=2))
        await store.commit(IndexPut(index="i", member="m", score=3))

        assert (await store.page("i", limit=9)).entries == (Entry(3, "m"), Entry(2, "n"))
        assert await store.count("i") == 2

    async def test_a_member_can_be_removed_and_removing_none_is_fine(self, store: KeyValueStore):
        await store.commit(IndexPut(index="i", member="m", score=1))
        await store.commit(IndexRemove(index="i", member="m"), IndexRemove(index="i", member="never"))
        await store.commit(IndexRemove(index="never", member="m"))

        assert (await store.count("i"), (await store.page("i", limit=9)).entries) == (0, ())

    async def test_indexes_do_not_mix(self, store: KeyValueStore):
        await store.commit(IndexPut(index="i", member="m", score=1), IndexPut(index="j", member="m", score=2))

        assert (await store.page("i", limit=9)).entries == (Entry(1, "m"),)
        assert (await store.page("j", limit=9)).entries == (Entry(2, "m"),)


class Paging:
    async def test_a_page_says_whether_more_follow_it(self, store: KeyValueStore):
        await fill(store, 5)

        assert [(await store.page("i", limit=limit)).has_more for limit in (4, 5)] == [True, False]
        assert [(await store.page("i", limit=limit, newest_first=False)).has_more for limit in (4, 5)] == [True, False]

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_an_offset_skips_entries_of_what_would_be_shown(self, store: KeyValueStore, *, newest_first: bool):
        ascending = await fill(store, 10)
        shown = ascending[::-1] if newest_first else ascending

        for offset in (0, 1, 7, 9, 10, 11, 5000):
            page = await store.page("i", limit=2, offset=offset, newest_first=newest_first)
            assert list(page.entries) == shown[offset : offset + 2]
            assert (offset + 2 < 10) == page.has_more

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_ranges_include_their_lowest_score_and_end_before_their_highest(
        self, store: KeyValueStore, *, newest_first: bool
    ):
        ascending = await fill(store, 6)

        for low, high in [(None, None), (2, 4), (2, None), (None, 4), (0, 6), (-9, 99), (4, 2), (3, 3), (99, None)]:
            expected = [e for e in ascending if (low is None or e.score >= low) and (high is None or e.score < high)]
            page = await store.page("i", limit=9, min_score=low, max_score=high, newest_first=newest_first)
            assert list(page.entries) == (expected[::-1] if newest_first else expected)
            assert await store.count("i", min_score=low, max_score=high) == len(expected)

    async def test_ranges_may_reach_beyond_any_score(self, store: KeyValueStore):
        await fill(store, 3)

        assert await store.count("i", min_score=-(10**30), max_score=10**30) == 3
        assert await store.count("i", min_score=10**30) == 0
        assert len((await store.page("i", limit=9, min_score=-(10**30), max_score=10**30)).entries) == 3

    async def test_range_offset_and_cursor_work_together(self, store: KeyValueStore):
        await fill(store, 100)
        cursor = {"min_score": 10, "max_score": 90, "offset": 3, "limit": 2}

        falling = await store.page("i", after=Entry(50, "000050"), **cursor)
        rising = await store.page("i", after=Entry(50, "000050"), newest_first=False, **cursor)
        outside = await store.page("i", after=Entry(95, "000095"), **cursor)
        assert [[e.score for e in p.entries] for p in (falling, rising, outside)] == [[46, 45], [54, 55], [86, 85]]

    @pytest.mark.parametrize(("limit", "offset"), [(0, 0), (-1, 0), (1001, 0), (1, -1)])
    async def test_a_page_of_an_impossible_size_is_refused(self, store: KeyValueStore, limit: int, offset: int):
        with pytest.raises(ValueError, match="a page"):
            await store.page("i", limit=limit, offset=offset)

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_every_entry_that_was_listed_all_the_while_is_shown_exactly_once(
        self, store: KeyValueStore, *, newest_first: bool
    ):
        chance = random.Random(20261122)
        lasting = {f"lasting {number}" for number in range(200)}
        await store.commit(*[IndexPut(index="i", member=m, score=chance.randrange(20)) for m in sorted(lasting)])
        shown: list[str] = []
        after: Entry | None = None
        while (page := await store.page("i", limit=7, after=after, newest_first=newest_first)).has_more:
            shown += [entry.member for entry in page.entries]
            after = page.entries[-1]
            await store.commit(
                *[IndexPut(index="i", member=f"guest {chance.random()}", score=chance.randrange(20)) for _ in range(3)],
                *[IndexRemove(index="i", member=entry.member) for entry in page.entries[-2:]],
            )
        shown += [entry.member for entry in page.entries]

        assert sorted(lasting) == sorted(member for member in shown if member in lasting)

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_a_page_goes_on_behind_an_entry_that_was_moved(self, store: KeyValueStore, *, newest_first: bool):
        await fill(store, 6)
        await store.commit(IndexPut(index="i", member="000003", score=99))

        page = await store.page("i", limit=9, after=Entry(3, "000003"), newest_first=newest_first)
        expected = ["000002", "000001", "000000"] if newest_first else ["000004", "000005", "000003"]
        assert [entry.member for entry in page.entries] == expected

    @pytest.mark.parametrize("gone", [False, True], ids=["still listed", "gone"])
    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_pages_are_exact_among_ten_thousand_entries_of_one_score(
        self, store: KeyValueStore, *, newest_first: bool, gone: bool
    ):
        members = [f"{number:06}" for number in range(10_000)]
        await store.commit(*[IndexPut(index="i", member=member, score=7) for member in members])
        await store.commit(IndexPut(index="i", member="above", score=8), IndexPut(index="i", member="below", score=6))

        for number in (0, 4_999, 9_999):
            if gone:
                await store.commit(IndexRemove(index="i", member=members[number]))
            page = await store.page("i", limit=1, after=Entry(7, members[number]), newest_first=newest_first)
            around = ["below", *members, "above"]
            expected = around[number] if newest_first else around[number + 2]
            assert [entry.member for entry in page.entries] == [expected]

    async def test_a_hundred_thousand_entries_are_right_at_both_ends_and_in_the_middle(self, store: KeyValueStore):
        ascending = await fill(store, MANY)
        await store.commit(IndexPut(index="i", member="late", score=MANY))

        assert (
            await store.count("i"),
            await store.count("i", min_score=30_000, max_score=70_000),
        ) == (MANY + 1, 40_000)
        assert (await store.page("i", limit=1)).entries[0] == Entry(MANY, "late")
        assert (await store.page("i", limit=3, newest_first=False)).entries == tuple(ascending[:3])
        assert (
            tuple(ascending[50_001:50_004])
            == (await store.page("i", limit=3, after=ascending[50_000], newest_first=False)).entries
        )
        assert (await store.page("i", limit=3, after=ascending[50_000])).entries == tuple(ascending[49_999:49_996:-1])
        assert (
            tuple(ascending[70_000:71_000])
            == (await store.page("i", limit=1000, offset=70_000, newest_first=False)).entries
        )
        last = await store.page("i", limit=5, after=ascending[3])
        assert (last.entries, last.has_more) == (tuple(ascending[2::-1]), False)


class TestMemory(InMemory, Order, Paging): ...


class TestSqlite(InSqlite, Order, Paging): ...


class TestRedis(InRedis, Order, Paging): ...


async def fill(store: KeyValueStore, size: int) -> list[Entry]:
    """List members 000000, 000001 ... at scores 0, 1 ... and return them, lowest first."""
    entries = [Entry(number, f"{number:06}") for number in range(size)]
    for start in range(0, size, 10_000):
        batch = entries[start : start + 10_000]
        await store.commit(*[IndexPut(index="i", member=entry.member, score=entry.score) for entry in batch])
    return entries
