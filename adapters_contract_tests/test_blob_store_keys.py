"""What every `BlobStore` promises of keys: which there are, and that any text is only a name."""

import asyncio

import pytest
from adapters_contract_tests.blob_stores import (
    PICTURE,
    InFilesystem,
    InMemory,
    InS3,
    keep,
    keep_all,
    keys_of,
)

from nano_banana_lab.core.storage.ports import read_blob

HOSTILE_KEYS = [
    *(".", "..", "...", "/", "//", "a", "a/b", "a/b/c", "a//b", "a/./b", "a/../b", "a/", "a.", "a.b", "a.b/c", "/a"),
    *("../../etc/passwd", "/etc/passwd", "%", "%%", "%.", "%+", "%+/a", "%2e%2e/a", "%2E", "%25", "%a-b", "100%.png"),
    *(".incoming", ".incoming/a", ".hidden", "a/.hidden", ".details", "back\\slash", "..\\..\\a", "C:\\a", "con.txt"),
    *(" ", " a ", "a b/c d", "\"'`", "<a>&amp;</a>", "?a=b&c#d", "+", "*", "~", "$(id)", "-rf", "{}", "http://a/b"),
    *("ü/日本/😀.png", "é", "e\u0301", "\u00a0", "\u2028", "\ufeff", "\ufffe\uffff", "\U000e0001", "A", "a~", "a!"),
    *("n" * 200, "n" * 210, "n" * 251, "n" * 256, "n" * 300, "n" * 255 + ".png", "n" * 300 + "/a", "n" * 300 + ".b"),
    *(
        "x" * 1000,
        "ü" * 500,
        "😀" * 250,
        "." * 1000,
        "%" * 1000,
        "/" * 500 + "a" * 500,
        "./" * 20,
        "../" * 20,
        "a/" * 500,
    ),
]
ILLEGAL_KEYS = ["", "\0", "a\nb", "a\x1f", "\x7f", "\x85", "x" * 1001, "ü" * 501, "\ud800"]


class Keys:
    async def test_deletes_many_and_minds_no_missing_ones(self, store):
        await keep_all(store, {f"a/{number}": b"" for number in range(5)} | {PICTURE: b"stays"})

        await store.delete("missing", *(f"a/{number}" for number in range(5)), "a/0", "a")

        assert await keys_of(store) == [PICTURE]

    async def test_deletes_one_or_none(self, store):
        await keep(store, PICTURE)

        await store.delete()
        await store.delete(PICTURE)
        await store.delete(PICTURE)

        assert await keys_of(store) == []

    async def test_refuses_to_delete_more_than_1000_at_once(self, store):
        with pytest.raises(ValueError, match="1000"):
            await store.delete(*(str(number) for number in range(1001)))

    async def test_lists_and_deletes_more_than_1000(self, store):
        keys = [f"many/{number:04}.png" for number in range(1005)]
        await keep_all(store, dict.fromkeys(keys, b"1"))

        assert await keys_of(store, "many/") == keys
        await store.delete(*keys[:1000])
        assert await keys_of(store) == keys[1000:]

    async def test_lists_by_any_beginning_of_a_key(self, store):
        await keep_all(store, dict.fromkeys(["ab/1.png", "ab/2.png", "abc.png", "b/ab/1.png", "ab", "a"], b"1"))

        assert await keys_of(store, "ab") == ["ab", "ab/1.png", "ab/2.png", "abc.png"]
        assert await keys_of(store, "ab/") == ["ab/1.png", "ab/2.png"]
        assert await keys_of(store, "ab/2") == ["ab/2.png"]
        assert await keys_of(store, "c") == []

    async def test_lists_sizes(self, store):
        await keep(store, "a.png", b"123", "image/webp", {"a": "b"})
        await keep(store, "b.png", b"1234")

        assert [info.size async for info in store.list("")] == [3, 4]

    async def test_lists_the_times_that_head_tells(self, store):
        await keep(store, PICTURE)

        assert [info.modified_at async for info in store.list("")] == [(await store.head(PICTURE)).modified_at]

    async def test_a_listing_may_be_abandoned(self, store):
        await keep_all(store, {"a": b"", "b": b""})

        async for info in store.list(""):
            assert info.key == "a"
            break

    async def test_any_text_is_only_a_name(self, store):
        blobs = {key: key.encode() for key in HOSTILE_KEYS}
        await keep_all(store, blobs)

        assert {key: await read_blob(store, key) for key in HOSTILE_KEYS} == blobs
        assert {key: (await store.head(key)).key for key in HOSTILE_KEYS} == {key: key for key in HOSTILE_KEYS}

    async def test_lists_in_the_order_of_utf8_bytes(self, store):
        await keep_all(store, dict.fromkeys(HOSTILE_KEYS, b""))

        assert await keys_of(store) == sorted(HOSTILE_KEYS, key=str.encode)

    async def test_lists_hostile_beginnings(self, store):
        await keep_all(store, dict.fromkeys(HOSTILE_KEYS, b""))
        prefixes = {key[: len(key) // 2 + 1] for key in HOSTILE_KEYS[::4]} | {
            "a",
            "a/",
            "n" * 205,
            "%",
            ".",
            "/",
            "../",
        }

        for prefix in prefixes:
            wanted = sorted((key for key in HOSTILE_KEYS if key.startswith(prefix)), key=str.encode)
            assert await keys_of(store, prefix) == wanted

    async def test_deletes_exactly_the_hostile_keys_it_is_given(self, store):
        await keep_all(store, dict.fromkeys(HOSTILE_KEYS, b""))

        await store.delete(*HOSTILE_KEYS[::2])

        assert await keys_of(store) == sorted(HOSTILE_KEYS[1::2], key=str.encode)

    @pytest.mark.parametrize("key", ILLEGAL_KEYS, ids=repr)
    async def test_refuses_illegal_keys_everywhere(self, store, key):
        calls = [keep(store, key), store.open(key), store.head(key), store.delete("a", key)]
        calls += [store.presign(key, expires_in=60), keys_of(store, key or "\0")]

        results = await asyncio.gather(*calls, return_exceptions=True)

        assert [isinstance(result, ValueError) for result in results] == [True] * 6
        with pytest.raises(ValueError, match=r"key|surrogates"):
            store.public_url(key)


class TestMemory(InMemory, Keys): ...


class TestFilesystem(InFilesystem, Keys): ...


class TestS3(InS3, Keys): ...
