"""The `BlobStore` as a directory of pictures that a person can look at."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from nano_banana_lab.adapters.filesystem.blob_files import (
    BlobFile,
    IncomingBlob,
    begin,
    head_blob,
    list_blobs,
    make_folders,
    open_blob,
    probe,
    remove_blob,
)
from nano_banana_lab.adapters.filesystem.blob_paths import path_of
from nano_banana_lab.core.storage.blob_limits import check_details, check_key, check_keys_to_delete, checked_range
from nano_banana_lab.core.storage.ports import BlobInfo, StoreUnavailable

_logger = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

_PATIENCE = 4.5
"""Seconds without any finished disk work after which the disk counts as hanging; the port allows 5."""

_BLOCK = 4 * 2**20
"""Bytes written and synced at once, so that a slow disk is seen to be slow and not hanging."""

_CHUNK = 2**20
_FOLDERS = 50
_LIST_BATCH = 256
_THREADS = 16


class FilesystemBlobStore:
    """Blobs as files below `root`, which is created at first use; safe for several processes on one machine.

    `blob_paths` says where a key's file lies and `blob_files` what is in it. Any picture copied into the tree by hand
    is a blob as well. Symbolic links below `root` are not followed; `root` itself may be one.
    Needs a case-sensitive file system.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._disk = _Disk()
        self._begun = False

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
        await self._begin()
        incoming = IncomingBlob(self._root)
        try:
            last: bytes | memoryview = b""
            async with aclosing(_blocks(data)) as blocks:
                async for block in blocks:
                    if last:
                        await self._disk.run(incoming.write, last)
                    last = block
            await self._make_many_folders(path_of(key)[:-1])
            return await self._disk.run(incoming.publish, last, key, content_type, details)
        except BaseException:
            await self._disk.run_briefly(incoming.discard)
            raise

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> "_FileReader":
        check_key(key)
        await self._begin()
        blob = await self._disk.run_for(BlobFile.close, open_blob, self._root, key)
        try:
            return _FileReader(self._disk, blob, *checked_range(start, end, blob.info.size))
        except ValueError:
            blob.close()
            raise

    async def head(self, key: str) -> BlobInfo:
        check_key(key)
        await self._begin()
        return await self._disk.run(head_blob, self._root, key)

    async def delete(self, *keys: str) -> None:
        check_keys_to_delete(keys)
        await self._begin()
        for key in keys:
            await self._disk.run(remove_blob, self._root, key)

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        if prefix:
            check_key(prefix)
        await self._begin()
        found = list_blobs(self._root, prefix)
        while batch := await self._disk.run(_take, found):
            for info in batch:
                yield info

    def public_url(self, key: str) -> str | None:
        check_key(key)
        return None

    async def presign(self, key: str, *, expires_in: float) -> str | None:  # noqa: ARG002 - there is no URL to expire
        check_key(key)
        return None

    async def ping(self) -> None:
        await self._begin()
        await self._disk.run(probe, self._root)

    async def _make_many_folders(self, names: Sequence[str]) -> None:
        """What no ordinary key needs: a thousand synced folders in one step could look like a hanging disk."""
        for depth in range(_FOLDERS, len(names), _FOLDERS):
            await self._disk.run(make_folders, self._root, names[:depth])

    async def _begin(self) -> None:
        if not self._begun:
            await self._disk.run(begin, self._root)
            self._begun = True


class _FileReader:
    """Holds one open file: it keeps reading the version it was opened on, whatever is put or deleted meanwhile."""

    def __init__(self, disk: "_Disk", blob: BlobFile, start: int, stop: int) -> None:
        self.info = blob.info
        self._disk = disk
        self._blob = blob
        self._start = start
        self._stop = stop

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            position = self._start
            while position < self._stop:
                chunk = await self._disk.run(self._read, position)
                position += len(chunk)
                yield chunk
        finally:
            self._blob.close()

    async def aclose(self) -> None:
        self._stop = self._start
        self._blob.close()

    def _read(self, position: int) -> bytes:
        chunk = self._blob.read(min(_CHUNK, self._stop - position), position)
        if not chunk:
            raise EOFError("the file was cut short while it was read")
        return chunk


class _Disk:
    """Runs blocking steps in threads of its own, and gives up on a disk that has stopped answering.

    The threads are not shared with other work: pictures being scaled must not make a healthy disk look dead.
    A step that was given up on cannot be interrupted; it goes on alone and its result is thrown away.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")
        self._answered = 0.0

    async def run(self, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The result of the step; raises `StoreUnavailable` for what the operating system refuses."""
        return await self._result(partial(step, *args, **kwargs), _forget)

    async def run_for(
        self, release: Callable[[_T], None], step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """As `run`, for a result that must be released if nobody is there any more to take it."""
        return await self._result(partial(step, *args, **kwargs), release)

    async def run_briefly(self, step: Callable[[], None]) -> None:
        """Begin the step and see it through when that is quick; for cleaning up after a failure."""
        await asyncio.wait({asyncio.get_running_loop().run_in_executor(self._threads, step)}, timeout=0.2)

    async def _result(self, step: Callable[[], _T], release: Callable[[_T], None]) -> _T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, step)
        try:
            await self._wait(future, loop)
            return future.result()
        except asyncio.CancelledError:
            future.add_done_callback(partial(_settle, release))
            raise
        except TimeoutError as error:
            future.add_done_callback(partial(_settle, release))
            raise _unavailable("the disk does not answer") from error
        except (OSError, EOFError) as error:
            raise _unavailable(str(error)) from error

    async def _wait(self, future: "asyncio.Future[_T]", loop: asyncio.AbstractEventLoop) -> None:
        """Return when the step is done; raise TimeoutError once no step at all has been done for a while."""
        begun = loop.time()
        while not future.done():
            left = max(begun, self._answered) + _PATIENCE - loop.time()
            if left <= 0:
                raise TimeoutError
            await asyncio.wait({future}, timeout=left)
        self._answered = loop.time()


async def _blocks(data: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes | memoryview, None]:
    """The data in blocks of `_BLOCK` bytes, the last one shorter."""
    if isinstance(data, bytes):
        for position in range(0, len(data), _BLOCK):
            yield memoryview(data)[position : position + _BLOCK]
        return
    gathered = bytearray()
    async for chunk in data:
        gathered += chunk
        while len(gathered) >= _BLOCK:
            yield bytes(gathered[:_BLOCK])
            del gathered[:_BLOCK]
    if gathered:
        yield bytes(gathered)


def _take(found: Iterator[BlobInfo]) -> list[BlobInfo]:
    return list(islice(found, _LIST_BATCH))


def _settle(release: Callable[[_T], None], future: "asyncio.Future[_T]") -> None:
    if not future.cancelled() and future.exception() is None:
        release(future.result())


def _forget(_: object) -> None:
    """Nothing to release."""


def _unavailable(reason: str) -> StoreUnavailable:
    _logger.warning("blob store: %s", reason)
    return StoreUnavailable("blob store")
