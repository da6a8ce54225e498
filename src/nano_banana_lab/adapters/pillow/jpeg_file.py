"""JPEG files as a whole: every segment, every scan, and what cameras put behind the end (ITU T.81, annex B)."""

import re
import struct
from collections.abc import Iterator

from nano_banana_lab.adapters.pillow.appendices import after_appendix
from nano_banana_lab.adapters.pillow.headers import FRAME_HEADERS, MAX_SEGMENTS, WITHOUT_LENGTH, Markers
from nano_banana_lab.adapters.pillow.other_kinds import refuse_as_note
from nano_banana_lab.adapters.pillow.parts import Part
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_SOI = b"\xff\xd8\xff"
_EOI, _SCAN, _COMMENT, _QUANTIZATION = b"\xd9", b"\xda", b"\xfe", b"\xdb"
_DECODED = frozenset({b"\xc0", b"\xc1", b"\xc2"})
"""Baseline, extended and progressive, all with Huffman codes; no camera and no browser knows the other kinds."""

_FRAMES = frozenset(bytes((code,)) for code in FRAME_HEADERS)
_APPLICATIONS = frozenset(bytes((code,)) for code in range(0xE0, 0xF0))
_COLOURS = ((b"\xe0", b"JFIF\0"), (b"\xee", b"Adobe"), (b"\xe2", b"ICC_PROFILE\0"))
_KNOWN_APPLICATIONS = (
    b"JFIF\0",
    b"Exif\0\0",
    b"http://ns.adobe.com/",
    b"ICC_PROFILE\0",
    b"MPF\0",
    b"JP",
    b"Photoshop ",
)

_MAX_SCANS = 64
_MAX_SCANNED_PIXELS = 1_000_000_000
"""Each scan of a progressive picture visits all of its pixels again; encoders write about ten."""

_MAX_TABLES_BYTES = 4 * 129
_PIXELS_PER_BYTE_AT_BEST = 512
_MAX_PICTURES = 64
_WINDOW = 1024 * 1024
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FURTHER = bytes(16)
_ENDLESS_FILL = b"\xff" * 256
"""Fill bytes before a marker are allowed, but a decoder that waits for the marker reads them over and over."""


def segments(data: bytes, start: int = 0) -> Iterator[Part]:
    """From behind SOI to EOI; the kind is the marker's code. A scan's part is its header, its pixels follow it.

    Raises `InvalidImage` where the picture is cut short.
    """
    markers, position = Markers(data), start + 2
    for _ in range(MAX_SEGMENTS):
        code, position = markers.after(position)
        if code in WITHOUT_LENGTH:
            continue
        kind, end = bytes((code,)), position
        if kind != _EOI:
            end += struct.unpack_from(">H", data, position)[0]
            position += 2
        if not position <= end <= len(data) or kind == b"\xd8":
            break
        yield Part(kind, position, end)
        if kind == _EOI:
            return
        position = end_of_scan(data, end) if kind == _SCAN else end
        _check_fill(data, end, position)
    raise InvalidImage(reason="truncated")


def end_of_scan(data: bytes, start: int) -> int:
    """Where the pixels end that begin at `start`: before a marker other than a restart, or at the end of the file."""
    for begin in range(start, len(data), _WINDOW):  # in steps, so that other threads get their turn
        if found := _MARKER.search(data, begin, begin + _WINDOW + 1):
            return found.start()
    return len(data)


def _check_fill(data: bytes, start: int, end: int) -> None:
    if data.find(_ENDLESS_FILL, start, end) >= 0:
        raise InvalidImage(reason="truncated")


def check_jpeg(data: bytes, facts: PictureFacts) -> bytes:
    """Everything that can be known without unpacking; returns what a decoder has to decode. Raises `InvalidImage`."""
    parts = _checked(data, 0)
    _refuse_floods(data, parts, facts)
    end = parts[-1].end
    for _ in range(_MAX_PICTURES):
        end = after_appendix(data, end)
        if end == len(data):
            return painted(data, parts, to_the_end=True)
        if not data.startswith(_SOI, end):
            break
        end = _checked(data, end)[-1].end
    raise InvalidImage(reason="something_else_too")


def _checked(data: bytes, start: int) -> list[Part]:
    parts = list(segments(data, start))
    for part in parts:
        if part.kind == _COMMENT or (part.kind in _APPLICATIONS and not _is_known(part, data)):
            refuse_as_note(part.content(data))
    return parts


def _is_known(part: Part, data: bytes) -> bool:
    return data.startswith(_KNOWN_APPLICATIONS, part.start, part.end)


def _refuse_floods(data: bytes, parts: list[Part], facts: PictureFacts) -> None:
    frames = [part.kind for part in parts if part.kind in _FRAMES]
    scans = sum(part.kind == _SCAN for part in parts)
    pixels = facts.width * facts.height
    if frames and frames[0] not in _DECODED:
        raise InvalidImage(reason="unsupported_format")
    if scans > 1 and (scans > _MAX_SCANS or scans * pixels > _MAX_SCANNED_PIXELS):
        raise InvalidImage(reason="too_many_pixels")
    if frames == [b"\xc2"] and not _is_refined(data, parts):
        raise InvalidImage(reason="truncated")
    too_large = any(part.kind == _QUANTIZATION and part.end - part.start > _MAX_TABLES_BYTES for part in parts)
    if len(frames) != 1 or scans < 1 or too_large or len(data) * _PIXELS_PER_BYTE_AT_BEST < pixels:
        raise InvalidImage(reason="truncated")


def _is_refined(data: bytes, parts: list[Part]) -> bool:
    """Whether the scans of a progressive picture bring every component to its last bit (G.1.1.1)."""
    components, last = set(), set()
    for part in parts:
        content = part.content(data)
        if part.kind in _FRAMES:
            components = set(content[6::3])
        elif part.kind == _SCAN and content[-1] & 0x0F == 0:
            first, end = content[-3], content[-2]
            last |= {(component, place) for component in content[1:-3:2] for place in (0, 63) if first <= place <= end}
    return last >= {(component, place) for component in components for place in (0, 63)}


def painted(data: bytes, parts: list[Part], *, to_the_end: bool = False) -> bytes:
    """The same picture without notes: no decoder stumbles over, or unpacks, what it has no need of.

    A decoder paints what is missing grey when it meets the end marker. With `to_the_end` a picture of one scan gets
    none: a decoder that has all pixels does not ask for it, and one that lacks some finds only the end of the file.
    """
    pieces = [b"\xff\xd8"]
    for part in parts:
        if _paints(part, data):
            before = 2 if part.kind == _EOI else 4
            stop = end_of_scan(data, part.end) if part.kind == _SCAN else part.end
            pieces.append(data[part.start - before : stop])
    if to_the_end and is_one_scan(data, parts):
        pieces[-1] = _FURTHER
    return b"".join(pieces)


def _paints(part: Part, data: bytes) -> bool:
    if part.kind in _APPLICATIONS:
        return any(part.kind == kind and data.startswith(name, part.start, part.end) for kind, name in _COLOURS)
    return part.kind != _COMMENT


def is_one_scan(data: bytes, parts: list[Part]) -> bool:
    """All components in one sequential pass: the number in the frame's header is that in the scan's."""
    (frame,) = (part for part in parts if part.kind in _FRAMES)
    scans = [part for part in parts if part.kind == _SCAN]
    return frame.kind != b"\xc2" and len(scans) == 1 and data[frame.start + 5] == data[scans[0].start]
