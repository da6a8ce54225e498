"""WebP files as a whole: chunks within the RIFF size, frames of the size the canvas says (RFC 9649, section 2)."""

import struct
from collections.abc import Iterable, Iterator

from nano_banana_lab.adapters.pillow.headers import webp_canvas, webp_frame
from nano_banana_lab.adapters.pillow.other_kinds import refuse_as_note
from nano_banana_lab.adapters.pillow.parts import Part, only_zeros
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAX_CHUNKS = 8192
_MAX_CHUNKS_OF_A_FRAME = 16
_MAX_PIXELS = 25_000_000
"""A decoder needs 16 bytes for each."""

_MAX_PIXELS_OF_NOTHING, _PIXELS_PER_BYTE_AT_BEST = 10_000_000, 1000
"""A few bytes can ask for any size in one colour."""

_BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
_KNOWN = _BITSTREAMS | {b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"C2PA"}
_FRAME_HEADER = 16
_HAS_ALPHA = 0x10


def chunks(data: bytes) -> Iterator[Part]:
    """Those of the file, up to the end that RIFF tells. Raises `InvalidImage` where one is cut short."""
    return _between(data, 12, _end(data), at_most=_MAX_CHUNKS)


def _within(data: bytes, frame: Part) -> Iterator[Part]:
    return _between(data, frame.start + _FRAME_HEADER, frame.end, at_most=_MAX_CHUNKS_OF_A_FRAME)


def _between(data: bytes, position: int, end: int, *, at_most: int) -> Iterator[Part]:
    for _ in range(at_most):
        if position >= end:
            return
        if position + 8 > end:
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        if position + 8 + length > end:
            break
        yield Part(kind, position + 8, position + 8 + length)
        position += 8 + length + length % 2
    if position < end:
        raise InvalidImage(reason="truncated")


def _end(data: bytes) -> int:
    end: int = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise InvalidImage(reason="truncated")
    return end


def check_webp(data: bytes, facts: PictureFacts) -> bytes:
    """Everything that can be known without unpacking; returns a file of the first frame. Raises `InvalidImage`."""
    if not only_zeros(data, _end(data)):
        raise InvalidImage(reason="something_else_too")
    parts = list(chunks(data))
    for part in parts:
        if part.kind not in _KNOWN:
            refuse_as_note(part.content(data))
    moving = [part for part in parts if part.kind == b"ANMF"]
    if not (all(_fits(data, part, facts) for part in moving) if moving else _is_still(data, parts, facts)):
        raise InvalidImage(reason="truncated")
    pixels = _as_file(data, moving[0]) if moving else data
    _refuse_floods(pixels, webp_canvas(pixels, 20) if moving else (facts.width, facts.height))
    return pixels


def _refuse_floods(data: bytes, size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if pixels > min(_MAX_PIXELS, max(_MAX_PIXELS_OF_NOTHING, len(data) * _PIXELS_PER_BYTE_AT_BEST)):
        raise InvalidImage(reason="too_many_pixels")


def is_lossless(data: bytes) -> bool:
    """Whether its first frame is kept without loss. Raises `InvalidImage`."""
    for part in chunks(data):
        for bitstream in _within(data, part) if part.kind == b"ANMF" else (part,):
            if bitstream.kind in _BITSTREAMS:
                return bitstream.kind == b"VP8L"
    return False


def _is_still(data: bytes, parts: list[Part], facts: PictureFacts) -> bool:
    return _sizes(data, parts) == [(facts.width, facts.height)]


def _fits(data: bytes, frame: Part, facts: PictureFacts) -> bool:
    left, top, width, height = (
        int.from_bytes(data[frame.start + nth : frame.start + nth + 3], "little") for nth in (0, 3, 6, 9)
    )
    size = (width + 1, height + 1)
    inside = 2 * left + size[0] <= facts.width and 2 * top + size[1] <= facts.height
    return inside and _sizes(data, _within(data, frame)) == [size]


def _sizes(data: bytes, parts: Iterable[Part]) -> list[tuple[int, int]]:
    return [webp_frame(part.kind, data, part.start) for part in parts if part.kind in _BITSTREAMS]


def _as_file(data: bytes, frame: Part) -> bytes:
    """One frame as a file of its own, so that unpacking it takes no more memory than itself."""
    size = data[frame.start + 6 : frame.start + 12]
    canvas = struct.pack("<4sIB3x", b"VP8X", 10, _HAS_ALPHA) + size
    content = b"WEBP" + canvas + data[frame.start + _FRAME_HEADER : frame.end + (frame.end - frame.start) % 2]
    return b"RIFF" + struct.pack("<I", len(content)) + content
