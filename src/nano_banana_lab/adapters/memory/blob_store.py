"""The `BlobStore` in this process's memory: for tests, and for a lab that may forget."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.ports import BlobInfo, BlobNotFound

_CHUNK = 2**20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class MemoryBlobStore:
    """Blobs in a dictionary, gone with the process; `modified_at` is as `clock` says.

    Keeps every promise of the port, durability excepted; never raises `StoreUnavailable`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._blobs: dict[str, tuple[BlobInfo, bytes]] = {}

    async def put(
        self,
        key: str,
        data: bytes | AsyncIterable[bytes],
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> BlobInfo:
        details = dict(metadata or {})
        _check_key(key)
        _check_details(content_type, details)
        whole = bytes(data) if isinstance(data, bytes) else b"".join([chunk async for chunk in data])
        info = BlobInfo(
            key=key, size=len(whole), content_type=content_type, modified_at=self._clock.now(), metadata=details
        )
        self._blobs[key] = (info, whole)
        return info

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> "_MemoryReader":
        info, whole = self._find(key)
        stop = info.size if end is None else end
        if not (0 <= start < stop <= info.size or start == stop == info.size == 0):
            raise ValueError(f"bytes {start} to {end} are not within a blob of {info.size}")
        return _MemoryReader(info, whole, start, stop)

    async def head(self, key: str) -> BlobInfo:
        return self._find(key)[0]

    async def delete(self, *keys: str) -> None:
        if len(keys) > 1000:
            raise ValueError("at most 1000 keys can be deleted at once")
        for key in keys:
            _check_key(key)
        for key in keys:
            self._blobs.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        if prefix:
            _check_key(prefix)
        for key in sorted(key for key in self._blobs if key.startswith(prefix)):
            if key in self._blobs:
                yield self._blobs[key][0]

    def public_url(self, key: str) -> str | None:
        _check_key(key)
        return None

    async def presign(self, key: str, *, expires_in: float) -> str | None:  # noqa: ARG002 - there is nothing to expire
        _check_key(key)
        return None

    async def ping(self) -> None:
        """Memory is always there."""

    def _find(self, key: str) -> tuple[BlobInfo, bytes]:
        _check_key(key)
        try:
            return self._blobs[key]
        except KeyError:
            raise BlobNotFound from None


class _MemoryReader:
    """Keeps reading the version it was opened on, whatever is put or deleted meanwhile."""

    def __init__(self, info: BlobInfo, whole: bytes, start: int, stop: int) -> None:
        self.info = info
        self._whole = whole
        self._start = start
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for position in range(self._start, self._stop, _CHUNK):
            yield self._whole[position : min(position + _CHUNK, self._stop)]

    async def aclose(self) -> None:
        self._whole = b""
        self._stop = 0


def _check_key(key: str) -> None:
    if not 0 < len(key.encode()) <= 1000 or _CONTROL.search(key):
        raise ValueError("a key must be 1 to 1000 bytes of text without control characters")


def _check_details(content_type: str, metadata: Mapping[str, str]) -> None:
    if not (0 < len(content_type) <= 255 and content_type.isascii() and content_type.isprintable()):
        raise ValueError("a content type must be 1 to 255 characters of printable ASCII")
    if len(metadata) > 64 or sum(len(text.encode()) for entry in metadata.items() for text in entry) > 1024:
        raise ValueError("metadata must be at most 64 entries and 1024 bytes in all")
