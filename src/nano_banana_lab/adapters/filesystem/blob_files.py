"""The disk work of the filesystem's blob store: every function here blocks and runs in a thread.

A blob is one file, so that one rename replaces all of it at once. Its bytes come first and untouched.
Where the content type does not follow from the key's ending, or there is metadata, a trailer follows the bytes:
MessagePack of both, its length in four bytes, and a mark. Picture viewers do not look behind the end of a picture.
"""

import errno
import os
import secrets
import stat
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path, PurePosixPath

import msgspec

from nano_banana_lab.adapters.filesystem.blob_paths import keys_below, path_of
from nano_banana_lab.core.storage.ports import BlobInfo, BlobNotFound

INCOMING = ".incoming"
"""The folder below the root where blobs are written before they are whole."""

LEFTOVER_SECONDS = 3600.0
"""A file in `.incoming` that nobody wrote to for this long belonged to a process that died."""

_TYPES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
}
"""Part of the format: changing a line changes the type of files that are there already."""

_MARK = b"\nblob-details-1\n"
_TAIL = struct.Struct(f">I{len(_MARK)}s")
_LONGEST_TRAILER = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What the kernel says for no such file, and for a symbolic link or something else in its place."""


class _Details(msgspec.Struct, array_like=True, frozen=True):
    content_type: str
    metadata: dict[str, str]


class BlobFile:
    """An open file of a whole blob."""

    def __init__(self, file: FileIO, info: BlobInfo) -> None:
        self.info = info
        self._file = file

    def read(self, size: int, position: int) -> bytes:
        return os.pread(self._file.fileno(), size, position)

    def close(self) -> None:
        self._file.close()


class IncomingBlob:
    """A blob on its way in, which nobody sees until `publish`. `discard` may be called at any time, from any thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._discarded = False

    def write(self, block: bytes | memoryview) -> None:
        """Append the block and wait until the disk has it."""
        with self._lock:
            os.fsync(self._append(block))

    def publish(self, last: bytes | memoryview, key: str, content_type: str, metadata: dict[str, str]) -> BlobInfo:
        """Append the last block and put the blob in its place, durably and in one step."""
        with self._lock:
            file = self._append(last)
            size = os.fstat(file).st_size
            if metadata or content_type != _type_of(key) or _details(file, size)[0] is not None:
                _write_all(file, _trailer(_Details(content_type, metadata)))
            os.fsync(file)
            changed = os.fstat(file).st_mtime_ns
            self._move(path_of(key))
            self._close()
        return BlobInfo(key=key, size=size, content_type=content_type, modified_at=_moment(changed), metadata=metadata)

    def discard(self) -> None:
        """Remove what was written, unless it was published; waits for a step that is under way."""
        with self._lock:
            self._discarded = True
            if self._file is not None:
                self._close()
                with suppress(OSError), _folder(self._root, [INCOMING]) as incoming:
                    os.unlink(self._name, dir_fd=incoming)

    def _append(self, block: bytes | memoryview) -> int:
        if self._discarded:
            raise OSError(errno.ECANCELED, "the put was given up")
        if self._file is None:
            self._file = FileIO(self._create(), "r+")
        _write_all(self._file.fileno(), block)
        return self._file.fileno()

    def _create(self) -> int:
        with _folder(self._root, [INCOMING], create=True) as incoming:
            return os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=incoming)

    def _move(self, names: tuple[str, ...]) -> None:
        """Rename into place; begin again when a delete has just taken away a folder that was empty."""
        for attempt in range(100):
            try:
                with (
                    _folder(self._root, names[:-1], create=True) as target,
                    _folder(self._root, [INCOMING]) as incoming,
                ):
                    os.rename(self._name, names[-1], src_dir_fd=incoming, dst_dir_fd=target)
                    _sync_folder(target)
                    return
            except FileNotFoundError:
                if attempt == 99:
                    raise

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def begin(root: Path) -> None:
    """Create the root if it is missing, and remove what killed writers left behind.

    Only at first: a root that vanishes later is a disk that was unmounted, and nothing may be written beneath it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with suppress(OSError), _folder(root, [INCOMING]) as incoming:
        for name in os.listdir(incoming):  # noqa: PTH208 - an open folder has no path
            status = os.stat(name, dir_fd=incoming, follow_symlinks=False)
            if time.time() - status.st_mtime > LEFTOVER_SECONDS:
                os.unlink(name, dir_fd=incoming)


LEAST_FREE_BYTES = 64 * 1024 * 1024
"""Three of the largest pictures; with less, the next one might be paid for and not fit."""


def probe(root: Path) -> None:
    """Raise OSError unless something can be written below the root, and a few pictures would fit."""
    incoming = IncomingBlob(root)
    try:
        incoming.write(b"?")
        space = os.statvfs(root)
    finally:
        incoming.discard()
    if space.f_bavail * space.f_frsize < LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, "little space is left on the disk")


def open_blob(root: Path, key: str) -> BlobFile:
    """Raises `BlobNotFound`, also when something other than a plain file lies at the key's path."""
    *folders, name = path_of(key)
    with _top(root) as top:
        try:
            with _folder_below(top, folders) as folder:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno in _ABSENT:
                raise BlobNotFound from error
            raise
    try:
        info = _inspect(file, key)
        return BlobFile(FileIO(file, "r"), info)
    except BaseException:
        os.close(file)
        raise


def head_blob(root: Path, key: str) -> BlobInfo:
    """What is known of the blob; raises `BlobNotFound`."""
    blob = open_blob(root, key)
    blob.close()
    return blob.info


def remove_blob(root: Path, key: str) -> None:
    """Remove the blob if it is there, and the folders that are empty without it."""
    *folders, name = path_of(key)
    with _top(root) as top:
        try:
            with _folder_below(top, folders) as folder:
                os.unlink(name, dir_fd=folder)
                _prune(folder, folders)
        except OSError as error:
            if error.errno not in _ABSENT | {errno.EISDIR}:
                raise


def make_folders(root: Path, names: Sequence[str]) -> None:
    """Create these folders, each in the one before it; some of them may be there already."""
    with suppress(FileNotFoundError), _folder(root, names, create=True):
        pass  # a delete may take them away again at any moment; `publish` does not rely on them


def list_blobs(root: Path, prefix: str) -> Iterator[BlobInfo]:
    """Every blob whose key begins with `prefix`, in order of the keys."""
    with _top(root):
        for key in keys_below(root, prefix):
            with suppress(BlobNotFound):
                yield head_blob(root, key)


def _prune(folder: int, names: list[str]) -> None:
    """Remove empty folders from the innermost out; safe beside a put, which begins again when its folder goes."""
    here = os.dup(folder)
    try:
        with suppress(OSError):
            for name in reversed(names):
                outer = os.open("..", _FOLDER, dir_fd=here)
                os.close(here)
                here = outer
                os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


@contextmanager
def _top(root: Path) -> Iterator[int]:
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield top
    finally:
        os.close(top)


@contextmanager
def _folder(root: Path, names: Sequence[str], *, create: bool = False) -> Iterator[int]:
    with _top(root) as top, _folder_below(top, names, create=create) as folder:
        yield folder


@contextmanager
def _folder_below(top: int, names: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """The folder, reached name by name, so that no symbolic link below the root leads out of it."""
    here = os.dup(top)
    try:
        for name in names:
            inner = _enter(here, name, create=create)
            os.close(here)
            here = inner
        yield here
    finally:
        os.close(here)


def _enter(here: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=here)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=here)
        _sync_folder(here)
    return os.open(name, _FOLDER, dir_fd=here)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network and FUSE file systems cannot sync a folder
            raise


def _inspect(file: int, key: str) -> BlobInfo:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise BlobNotFound
    details, trailer = _details(file, status.st_size)
    return BlobInfo(
        key=key,
        size=status.st_size - trailer,
        content_type=details.content_type if details else _type_of(key),
        modified_at=_moment(status.st_mtime_ns),
        metadata=details.metadata if details else {},
    )


def _details(file: int, size: int) -> tuple[_Details | None, int]:
    """What the trailer says and its length in bytes, or None and 0 when there is no trailer."""
    end = os.pread(file, _LONGEST_TRAILER, max(0, size - _LONGEST_TRAILER))
    if len(end) < _TAIL.size or not end.endswith(_MARK):
        return None, 0
    trailer = _TAIL.unpack(end[-_TAIL.size :])[0] + _TAIL.size
    try:
        details = msgspec.msgpack.decode(end[-trailer : -_TAIL.size], type=_Details)
    except msgspec.DecodeError:
        return None, 0
    return (details, trailer) if trailer <= len(end) else (None, 0)


def _trailer(details: _Details) -> bytes:
    packed = msgspec.msgpack.encode(details)
    return packed + _TAIL.pack(len(packed), _MARK)


def _type_of(key: str) -> str:
    return _TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")


def _write_all(file: int, block: bytes | memoryview) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(file, rest) :]


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
