"""Real pictures: they decode, have the right pixels, carry a C2PA marker as Google's do, and differ by prompt."""

import hashlib
import io
import random
import struct
import zlib
from functools import lru_cache

_LONGEST_SEGMENT = 65_533
_AFTER_PNG_HEADER = 33
_AFTER_JPEG_START = 20  # start marker and JFIF segment

CONTENT_CREDENTIALS = b"JP" + b"\x00\x01" + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x18jumb" + b"\x00\x00\x00\x10jumdc2pa"
"""The beginning of a C2PA manifest, for tests that nothing strips it."""


def jpeg(size: tuple[int, int], label: str, *, padding: int = 0) -> bytes:
    """A JPEG of this width and height with `label` in a comment and about `padding` further random bytes."""
    plain = _encoded("JPEG", size)
    noise = random.Random(label).randbytes(padding)  # noqa: S311 - the same picture for the same label
    comments = [noise[start : start + _LONGEST_SEGMENT] for start in range(0, padding, _LONGEST_SEGMENT)]
    segments = [_segment(0xEB, CONTENT_CREDENTIALS), _segment(0xFE, _mark(label))]
    segments += [_segment(0xFE, comment) for comment in comments]
    return plain[:_AFTER_JPEG_START] + b"".join(segments) + plain[_AFTER_JPEG_START:]


def png(size: tuple[int, int], label: str) -> bytes:
    """A PNG of this width and height with `label` in a text chunk."""
    plain = _encoded("PNG", size)
    chunks = _chunk(b"caBX", CONTENT_CREDENTIALS) + _chunk(b"tEXt", b"Comment\0" + _mark(label))
    return plain[:_AFTER_PNG_HEADER] + chunks + plain[_AFTER_PNG_HEADER:]


@lru_cache(maxsize=64)
def _encoded(kind: str, size: tuple[int, int]) -> bytes:
    from PIL import Image  # noqa: PLC0415 - slow to import, and only a picture needs it

    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def _mark(label: str) -> bytes:
    return hashlib.sha256(label.encode()).hexdigest().encode()


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
