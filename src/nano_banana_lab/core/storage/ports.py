"""The two stores that everything in the lab is written on.

The blob store holds the truth: pictures and, beside each, a record of it.
The key-value store holds what must be exact and fast: indexes, counters, leases. It can be rebuilt from the blobs.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Protocol

import msgspec

from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.operations import MAX_AT_ONCE, Operation


class StoreUnavailable(LabError):
    """A store is unreachable, refuses, or does not answer in time.

    After a read nothing happened. After a write it is unknown whether it happened.
    The adapter recovers by itself once the store is back.
    """

    code: ClassVar[str] = "service_unavailable"
    sentence = "The {store} is not available right now; please try again shortly."
    words: ClassVar[Mapping[str, str]] = {"key value store": "key value store", "blob store": "blob store"}

    def __init__(self, store: str) -> None:
        super().__init__(store=store)


class Entry(msgspec.Struct, frozen=True, order=True):
    """One line of an index. Entries are ordered by score, then by the UTF-8 bytes of the member."""

    score: int
    member: str


class Page(msgspec.Struct, frozen=True):
    """Some entries of an index in the order asked for, and whether more follow the last one."""

    entries: tuple[Entry, ...]
    has_more: bool


class KeyValueStore(Protocol):
    """Small values, exact counters and ordered indexes, shared by every process of the lab.

    MUST: every method raises `StoreUnavailable` within 5 seconds when the store is down or hangs,
    and works again without a restart once the store is back.
    MUST: names are compared byte by byte; any text within the limits of `operations` is a legal name.
    MUST: what has expired is never returned, listed or counted, to the millisecond of the store's clock.
    """

    async def get(self, key: str) -> bytes | None:
        """The value under `key`, or None."""
        ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values under `keys`, in that order, None where there is none; ValueError for more than 1000 keys."""
        ...

    async def counters(self, key: str) -> dict[str, int]:
        """Every counter of `key` by its field; empty when none was ever written or all expired."""
        ...

    async def page(
        self,
        index: str,
        *,
        limit: int,
        newest_first: bool = True,
        after: Entry | None = None,
        offset: int = 0,
        min_score: int | None = None,
        max_score: int | None = None,
    ) -> Page:
        """Up to `limit` (1..1000) entries, highest first when `newest_first`, else lowest first.

        `min_score` is inclusive and `max_score` exclusive.
        `after` continues strictly behind that entry, whether or not it is still listed:
        going on from the last entry of each page shows every entry that was listed all the while exactly once,
        whatever is added or removed in between. `offset` skips that many entries of what would be shown.
        Raises ValueError for another `limit` or a negative `offset`.
        """
        ...

    async def count(self, index: str, *, min_score: int | None = None, max_score: int | None = None) -> int:
        """How many entries `page` would show in all; `min_score` is inclusive and `max_score` exclusive."""
        ...

    async def commit(self, *operations: Operation) -> tuple[int | None, ...]:
        """Apply all operations as one atomic and durable step, or none of them.

        Returns for each operation the counter's new amount (`Add`) or None.
        MUST: conditions are judged against the state before the commit; no other commit is ever seen half done.
        MUST: never sends the operations a second time by itself, so a commit is applied at most once.

        Raises `CommitRefused` when a condition does not hold, and then nothing has changed.
        Raises ValueError for operations that `check_operations` rejects.
        """
        ...

    async def ping(self) -> None:
        """Return when the store can be read and written; raise `StoreUnavailable` when not."""
        ...


class BlobNotFound(LabError):
    """No blob has this key."""

    code: ClassVar[str] = "not_found"
    sentence = "There is nothing here."


class BlobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a blob without reading it. `size` is in bytes; `metadata` is as it was put."""

    key: str
    size: int
    content_type: str
    modified_at: datetime
    metadata: Mapping[str, str] = {}


class BlobReader(Protocol):
    """A blob being read. `info.size` is the whole blob's size, also when a range is read."""

    info: BlobInfo

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of at most 1 MiB; iterate once. Raises `StoreUnavailable` when the store fails midway."""
        ...

    async def aclose(self) -> None:
        """Let go of the connection or file; safe to call twice and after reading to the end."""
        ...


class BlobStore(Protocol):
    """Whole files by key, with content type and metadata.

    Keys are non-empty `/`-separated text of at most 1000 bytes in UTF-8 without control characters.
    Anything else a name may hold - spaces, `..`, quotes, any script - is only text: no key reaches outside the store.
    Content types are 1 to 255 characters of printable ASCII.
    Metadata maps text to text: at most 64 entries and 1 KiB in all, counting names and values in UTF-8.
    MUST: what is beyond these limits raises ValueError, and nothing happens.
    MUST: a blob is there completely or not at all, also when the writer dies halfway; a put replaces atomically.
    MUST: every method raises `StoreUnavailable` within 5 seconds when the store cannot be reached or stops answering.
    """

    async def put(
        self,
        key: str,
        data: bytes | AsyncIterable[bytes],
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> BlobInfo:
        """Store the bytes under `key`, replacing what was there; durable when this returns.

        When the iterable raises, nothing is stored and its error propagates.
        """
        ...

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> BlobReader:
        """Begin to read bytes `start` (inclusive) to `end` (exclusive, None: to the end).

        Raises `BlobNotFound`; raises ValueError unless 0 <= start < end <= size (an empty blob reads 0 to 0).
        The caller MUST read to the end or call `aclose`.
        """
        ...

    async def head(self, key: str) -> BlobInfo:
        """What is known of the blob. Raises `BlobNotFound`."""
        ...

    async def delete(self, *keys: str) -> None:
        """Remove the blobs; fine for those that are not there. At most 1000 keys at once, else ValueError."""
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Every blob whose key starts with `prefix` (may be empty), in the order of the keys' UTF-8 bytes.

        `content_type` and `metadata` may be empty here; `head` has them.
        """
        ...

    def public_url(self, key: str) -> str | None:
        """Where anyone may read this blob over HTTP, when the store is published; else None. Asks nobody."""
        ...

    async def presign(self, key: str, *, expires_in: float) -> str | None:
        """A URL that reads this blob for `expires_in` seconds, or None when the store has no such thing.

        Raises ValueError when the store cannot give a URL that long a life (S3: one second to seven days).
        """
        ...

    async def ping(self) -> None:
        """Return when blobs can be read and written; raise `StoreUnavailable` when not."""
        ...


async def read_blob(store: BlobStore, key: str) -> bytes:
    """The whole blob in memory; for small ones. Raises `BlobNotFound`."""
    return b"".join([chunk async for chunk in await store.open(key)])


async def pages(store: KeyValueStore, index: str, *, newest_first: bool = False) -> AsyncIterator[tuple[Entry, ...]]:
    """The whole index in pages of up to 1000 entries, highest score first when `newest_first`, else lowest first.

    An entry that is moved meanwhile to where the pages have yet to come comes again.
    """
    after: Entry | None = None
    while (page := await store.page(index, limit=MAX_AT_ONCE, newest_first=newest_first, after=after)).entries:
        yield page.entries
        after = page.entries[-1]
