"""The `BlobStore` in this process's memory: for tests, and for a lab that may forget."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping

from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.blob_limits import check_details, check_key, check_keys_to_delete, checked_range
from nano_banana_lab.core.storage.ports import BlobInfo, BlobNotFound

_CHUNK = 2**20


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
        check_key(key)
        check_details(content_type, details)
        whole = bytes(data) if isinstance(data, bytes) else b"".join([chunk async for chunk in data])
        info = BlobInfo(
            key=key, size=len(whole), content_type=content_type, modified_at=self._clock.now(), metadata=details
        )
        self._blobs[key] = (info, whole)
        return info

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> "_MemoryReader":
        info, whole = self._find(key)
        return _MemoryReader(info, whole, *checked_range(start, end, info.size))

    async def head(self, key: str) -> BlobInfo:
        return self._find(key)[0]

    async def delete(self, *keys: str) -> None:
        check_keys_to_delete(keys)
        for key in keys:
            self._blobs.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        if prefix:
            check_key(prefix)
        for key in sorted(key for key in self._blobs if key.startswith(prefix)):
            if key in self._blobs:
                yield self._blobs[key][0]

    def public_url(self, key: str) -> str | None:
        check_key(key)
        return None

    async def presign(self, key: str, *, expires_in: float) -> str | None:  # noqa: ARG002 - there is nothing to expire
        check_key(key)
        return None

    async def ping(self) -> None:
        """Memory is always there."""

    def _find(self, key: str) -> tuple[BlobInfo, bytes]:
        check_key(key)
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
