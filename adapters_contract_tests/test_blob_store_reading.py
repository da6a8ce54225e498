"""What every `BlobStore` promises of readers and of ranges of bytes."""

import pytest
from adapters_contract_tests.blob_stores import (
    LARGE,
    PICTURE,
    InFilesystem,
    InMemory,
    InS3,
    keep,
)

DIGITS = b"0123456789"


async def read_range(store, key, start, end):
    return b"".join([chunk async for chunk in await store.open(key, start=start, end=end)])


class Reading:
    async def test_reads_in_chunks_of_at_most_a_mebibyte(self, store):
        await keep(store, PICTURE, LARGE[: 3 * 2**20 + 1])

        chunks = [chunk async for chunk in await store.open(PICTURE)]

        assert all(0 < len(chunk) <= 2**20 for chunk in chunks)
        assert sum(map(len, chunks)) == 3 * 2**20 + 1

    async def test_reader_keeps_to_its_version_or_fails_when_the_blob_is_replaced(self, store):
        await keep(store, PICTURE, LARGE)
        reader = await store.open(PICTURE)
        chunks = aiter(reader)
        first = await anext(chunks)

        await keep(store, PICTURE, b"new")
        rest = [chunk async for chunk in chunks]

        assert b"".join([first, *rest]) == LARGE

    async def test_reader_finishes_when_the_blob_is_deleted(self, store):
        await keep(store, PICTURE, LARGE)
        reader = await store.open(PICTURE)

        await store.delete(PICTURE)

        assert b"".join([chunk async for chunk in reader]) == LARGE

    @pytest.mark.parametrize(
        ("start", "end"), [(0, None), (0, 10), (0, 1), (9, 10), (9, None), (3, 7), (1, None), (0, 9)]
    )
    async def test_reads_a_range(self, store, start, end):
        await keep(store, PICTURE, DIGITS, "image/webp", {"a": "b"})

        assert await read_range(store, PICTURE, start, end) == DIGITS[start:end]

    @pytest.mark.parametrize(("start", "end"), [(2**20 - 1, 2**20 + 1), (19_000_000, None), (5, 15_000_000)])
    async def test_reads_a_range_of_a_large_blob(self, store, start, end):
        await keep(store, PICTURE, LARGE)

        assert await read_range(store, PICTURE, start, end) == LARGE[start:end]

    async def test_info_of_a_range_tells_the_whole_size(self, store):
        await keep(store, PICTURE, DIGITS)

        reader = await store.open(PICTURE, start=3, end=5)
        await reader.aclose()

        assert reader.info.size == 10

    @pytest.mark.parametrize(
        ("start", "end"),
        [(-1, None), (-1, 5), (10, None), (11, None), (0, 11), (0, 0), (5, 5), (6, 5), (9, 12), (0, -1)],
    )
    async def test_refuses_a_range_outside_the_blob(self, store, start, end):
        await keep(store, PICTURE, DIGITS)

        with pytest.raises(ValueError, match=r"bytes|range"):
            await store.open(PICTURE, start=start, end=end)

    @pytest.mark.parametrize("end", [None, 0])
    async def test_reads_an_empty_blob_from_0_to_0(self, store, end):
        await keep(store, PICTURE, b"")

        assert await read_range(store, PICTURE, 0, end) == b""

    @pytest.mark.parametrize(("start", "end"), [(0, 1), (1, None), (1, 1)])
    async def test_refuses_any_other_range_of_an_empty_blob(self, store, start, end):
        await keep(store, PICTURE, b"")

        with pytest.raises(ValueError, match=r"bytes|range"):
            await store.open(PICTURE, start=start, end=end)

    async def test_an_abandoned_reader_can_be_closed_twice(self, store):
        await keep(store, PICTURE, LARGE)
        reader = await store.open(PICTURE)
        await anext(aiter(reader))

        await reader.aclose()
        await reader.aclose()

        assert await read_range(store, PICTURE, 0, 10) == LARGE[:10]

    async def test_a_reader_can_be_closed_after_its_end(self, store):
        await keep(store, PICTURE)
        reader = await store.open(PICTURE)

        assert [chunk async for chunk in reader] == [b"picture"]
        await reader.aclose()


class TestMemory(InMemory, Reading): ...


class TestFilesystem(InFilesystem, Reading): ...


class TestS3(InS3, Reading): ...
