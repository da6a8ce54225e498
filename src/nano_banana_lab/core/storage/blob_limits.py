"""What `BlobStore` allows; every adapter asks here first."""

import re
from collections.abc import Mapping, Sequence

MAX_KEY_BYTES = 1000
MAX_METADATA_ENTRIES = 64
MAX_METADATA_BYTES = 1024
MAX_KEYS_TO_DELETE = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_key(key: str) -> None:
    """Raise ValueError unless `key` is 1 to 1000 bytes of text without control characters."""
    if not 0 < len(key.encode()) <= MAX_KEY_BYTES or _CONTROL.search(key):
        raise ValueError(f"a key must be 1 to {MAX_KEY_BYTES} bytes of text without control characters")


def check_keys_to_delete(keys: Sequence[str]) -> None:
    """Raise ValueError for too many keys at once, or one that is not allowed."""
    if len(keys) > MAX_KEYS_TO_DELETE:
        raise ValueError(f"at most {MAX_KEYS_TO_DELETE} keys can be deleted at once")
    for key in keys:
        check_key(key)


def check_details(content_type: str, metadata: Mapping[str, str]) -> None:
    """Raise ValueError unless a blob may be described so."""
    if not (0 < len(content_type) <= 255 and content_type.isascii() and content_type.isprintable()):
        raise ValueError("a content type must be 1 to 255 characters of printable ASCII")
    size = sum(len(text.encode()) for entry in metadata.items() for text in entry)
    if len(metadata) > MAX_METADATA_ENTRIES or size > MAX_METADATA_BYTES:
        raise ValueError(f"metadata must be at most {MAX_METADATA_ENTRIES} entries and {MAX_METADATA_BYTES} bytes")


def checked_range(start: int, end: int | None, size: int) -> tuple[int, int]:
    """The range with its end filled in. Raises ValueError unless it lies within a blob of `size` bytes."""
    stop = size if end is None else end
    if not (0 <= start < stop <= size or start == stop == size == 0):
        raise ValueError(f"bytes {start} to {stop} are not within a blob of {size}")
    return start, stop
