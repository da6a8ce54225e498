"""What every `BlobStore` promises of putting a blob and getting it back."""

import asyncio
from datetime import timedelta

import pytest
from adapters_contract_tests.blob_stores import (
    LARGE,
    PICTURE,
    InFilesystem,
    InMemory,
    InS3,
    keep,
    keys_of,
    opened,
    stream,
)

from nano_banana_lab.core.storage.ports import BlobNotFound, read_blob


async def breaks_after(*chunks):
    for chunk in chunks:
        yield chunk
    raise ConnectionResetError("the sender went away")


class BlobStoreContract:
    """Every test of the port here and beside; a binding gives a fixture `store`, empty for each test."""

    async def test_gives_back_the_bytes_it_was_given(self, store):
        await keep(store, PICTURE, b"\x89PNG\r\n\0\xff")

        assert await read_blob(store, PICTURE) == b"\x89PNG\r\n\0\xff"

    async def test_gives_back_a_stream_as_one_blob(self, store):
        info = await keep(store, PICTURE, stream(b"one ", b"", b"two ", b"three"))

        assert await read_blob(store, PICTURE) == b"one two three"
        assert info.size == 13

    @pytest.mark.parametrize("data", [b"", None], ids=["bytes", "stream"])
    async def test_keeps_an_empty_blob(self, store, data):
        await keep(store, PICTURE, stream() if data is None else data)

        assert await read_blob(store, PICTURE) == b""
        assert (await store.head(PICTURE)).size == 0

    async def test_keeps_20_megabytes(self, store):
        await keep(store, PICTURE, LARGE)

        assert await read_blob(store, PICTURE) == LARGE

    async def test_keeps_20_megabytes_of_a_stream(self, store):
        chunks = [LARGE[at : at + 3_000_000] for at in range(0, len(LARGE), 3_000_000)]

        info = await keep(store, PICTURE, stream(*chunks), "image/webp", {"made by": "a stream"})

        assert await read_blob(store, PICTURE) == LARGE
        assert await store.head(PICTURE) == info_with_time_of(await store.head(PICTURE), info)

    async def test_keeps_a_stream_that_ends_where_a_part_ends(self, store):
        await keep(store, PICTURE, stream(LARGE[: 16 * 2**20]))

        assert await read_blob(store, PICTURE) == LARGE[: 16 * 2**20]

    async def test_replaces_what_was_there(self, store):
        await keep(store, PICTURE, b"a longer old picture", "image/webp", {"age": "old"})
        await keep(store, PICTURE, b"new")

        info = await store.head(PICTURE)
        assert await read_blob(store, PICTURE) == b"new"
        assert (info.size, info.content_type, info.metadata) == (3, "image/png", {})

    @pytest.mark.parametrize("content_type", ["image/png", "text/html; charset=utf-8", "application/x-odd+json", "x"])
    @pytest.mark.parametrize("key", [PICTURE, "no-suffix", "a.json"])
    async def test_keeps_the_content_type_whatever_the_key_ends_in(self, store, key, content_type):
        await keep(store, key, b"data", content_type)

        assert (await store.head(key)).content_type == content_type
        assert (await opened(store, key)).content_type == content_type

    @pytest.mark.parametrize("content_type", ["", "image/png\r\nX-Evil: 1", "image/ü", "x" * 256])
    async def test_refuses_a_content_type_that_is_not_printable_ascii(self, store, content_type):
        with pytest.raises(ValueError, match="content type"):
            await keep(store, PICTURE, b"data", content_type)

    @pytest.mark.parametrize(
        "metadata",
        [
            {"prompt": "Ein Bär 🐻 mit Brille"},
            {"": "", " ": " ", "a\r\nX-Evil: 1": "\0\x7f", "__class__": "{}", "ü" * 20: "%0d%0a"},
            {"name": "v" * 1020},
            {chr(0x100 + number): "ü" * 7 for number in range(64)},
        ],
        ids=["unicode", "hostile", "one kibibyte", "64 entries"],
    )
    async def test_keeps_metadata(self, store, metadata):
        info = await keep(store, PICTURE, b"data", metadata=metadata)

        assert metadata == info.metadata
        assert metadata == (await store.head(PICTURE)).metadata
        assert metadata == (await opened(store, PICTURE)).metadata
        assert await read_blob(store, PICTURE) == b"data"

    @pytest.mark.parametrize(
        "metadata",
        [{"name": "v" * 1021}, {"ü" * 500: "ü" * 13}, {str(number): "" for number in range(65)}, {"a": "\ud800"}],
        ids=["1025 bytes", "1026 bytes in UTF-8", "65 entries", "not Unicode"],
    )
    async def test_refuses_metadata_beyond_the_limits(self, store, metadata):
        with pytest.raises(ValueError, match=r"metadata|surrogates"):
            await keep(store, PICTURE, b"data", metadata=metadata)

    async def test_put_says_what_head_and_open_say(self, store):
        info = await keep(store, PICTURE, b"data", "image/webp", {"a": "b"})

        head = await store.head(PICTURE)
        assert head == info_with_time_of(head, info)
        assert head == await opened(store, PICTURE)

    async def test_times_are_in_utc(self, store):
        info = await keep(store, PICTURE)

        times = [info.modified_at, (await store.head(PICTURE)).modified_at]
        times += [listed.modified_at async for listed in store.list("")]
        assert [time.utcoffset() for time in times] == [timedelta(0)] * 3

    @pytest.mark.parametrize("key", ["missing", "users", "users/anonymous", PICTURE + "/x", "USERS", ".."])
    async def test_says_that_a_blob_is_not_there(self, store, key):
        await keep(store, PICTURE)

        with pytest.raises(BlobNotFound):
            await store.head(key)
        with pytest.raises(BlobNotFound):
            await store.open(key)
        with pytest.raises(BlobNotFound):
            await store.open(key, start=1, end=2)

    async def test_an_empty_store_has_nothing(self, store):
        with pytest.raises(BlobNotFound):
            await store.head(PICTURE)
        await store.delete(PICTURE)

        assert await keys_of(store) == []

    @pytest.mark.parametrize("sent", [0, 100, 20 * 2**20], ids=["at once", "early", "late"])
    async def test_stores_nothing_when_the_stream_breaks(self, store, sent):
        with pytest.raises(ConnectionResetError):
            await keep(store, PICTURE, breaks_after(LARGE[:sent]))

        assert await keys_of(store) == []

    @pytest.mark.parametrize("sent", [100, 20 * 2**20], ids=["early", "late"])
    async def test_keeps_the_old_blob_when_the_stream_breaks(self, store, sent):
        await keep(store, PICTURE, b"old", "image/webp", {"age": "old"})

        with pytest.raises(ConnectionResetError):
            await keep(store, PICTURE, breaks_after(LARGE[:sent]))

        assert await read_blob(store, PICTURE) == b"old"
        assert (await store.head(PICTURE)).metadata == {"age": "old"}

    async def test_a_cancelled_stream_stores_nothing(self, store):
        reached = asyncio.Event()

        async def stalls():
            yield LARGE
            reached.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(keep(store, PICTURE, stalls()))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await keys_of(store) == []

    async def test_is_ready(self, store):
        await store.ping()

        assert await keys_of(store) == []


class TestMemory(InMemory, BlobStoreContract): ...


class TestFilesystem(InFilesystem, BlobStoreContract): ...


class TestS3(InS3, BlobStoreContract): ...


def info_with_time_of(other, info):
    """`info` as it would be with the time of `other`: stores know the time of a put only roughly."""
    return type(info)(
        **{name: getattr(info, name) for name in info.__struct_fields__} | {"modified_at": other.modified_at}
    )
