"""PNG files as a whole: every chunk sound, nothing behind the last (third edition, 5.3 to 5.6 and 11)."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

from nano_banana_lab.adapters.pillow.other_kinds import refuse_as_note
from nano_banana_lab.adapters.pillow.parts import Part, only_zeros
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAX_CHUNKS = 32_768
_MAX_NOTES = 1024
_MAX_PACKED = 32
"""Chunks that unpack to a megabyte each: Pillow bounds one of them, but not how many there are."""

_MAX_DEEP_PIXELS = 25_000_000
"""With 16 bits a channel: a pixel is twice the work, of which a few packed bytes can ask for a lot."""

_BEST_DEFLATION = 1032
_PIXELS = frozenset({b"IDAT", b"fdAT", b"fcTL"})
_KNOWN = _PIXELS | {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"eXIf", b"caBX", b"IEND"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunks(data: bytes) -> Iterator[Part]:
    """From IHDR to IEND, each with a right checksum. Raises `InvalidImage` where the file is cut short or damaged."""
    position = 8
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data) or not kind.isalpha() or not _is_sound(data, position + 4, end):
            break
        yield Part(kind, position + 8, end)
        if kind == b"IEND":
            return
        position = end + 4
    raise InvalidImage(reason="truncated")


def _is_sound(data: bytes, start: int, end: int) -> bool:
    (checksum,) = struct.unpack_from(">I", data, end)
    return bool(checksum == zlib.crc32(memoryview(data)[start:end]))


def check_png(data: bytes, facts: PictureFacts) -> bytes:
    """Everything that can be known without unpacking; returns what a decoder has to decode. Raises `InvalidImage`."""
    if data[24] == 16 and facts.width * facts.height > _MAX_DEEP_PIXELS:
        raise InvalidImage(reason="too_many_pixels")
    parts = list(chunks(data))
    for part in parts:
        if part.kind not in _KNOWN:
            refuse_as_note(_note(part, data))
    if not only_zeros(data, parts[-1].end + 4):
        raise InvalidImage(reason="something_else_too")
    if not _is_ordered(parts) or _raw_bytes(data, facts) > _BEST_DEFLATION * _packed_bytes(parts):
        raise InvalidImage(reason="truncated")
    return data


def _note(part: Part, data: bytes) -> bytes:
    """What is written there: a text without its keyword, an international one also without its language."""
    content = part.content(data)
    if part.kind == b"tEXt":
        return content.partition(b"\0")[2]
    return content.split(b"\0", 5)[-1] if part.kind == b"iTXt" else content


def _is_ordered(parts: list[Part]) -> bool:
    counts = Counter(part.kind for part in parts)
    packed = counts[b"zTXt"] + counts[b"iTXt"] + counts[b"iCCP"]
    notes = len(parts) - sum(counts[kind] for kind in _PIXELS)
    return (
        parts[0].kind == b"IHDR"
        and counts[b"IHDR"] == 1
        and counts[b"IDAT"] > 0
        and counts[b"iCCP"] <= 1
        and packed <= _MAX_PACKED
        and notes <= _MAX_NOTES
    )


def _raw_bytes(data: bytes, facts: PictureFacts) -> int:
    depth, colour = data[24], data[25]
    return facts.height * (facts.width * depth * _CHANNELS.get(colour, 1) // 8)


def _packed_bytes(parts: list[Part]) -> int:
    return sum(part.end - part.start for part in parts if part.kind == b"IDAT")
