"""PNG of 16 bits a channel, turned without losing any: Pillow would keep the upper eight of most.

PNG filters work on each byte of a pixel alone (third edition, 9.2). So the first bytes of all pixels are a grey
picture of 8 bits of their own, and so are the second bytes, and so on: Pillow unpacks and turns them one by one.

All of them together take as much memory as the pixels have bytes, and the one at work about 5 bytes per pixel more.
The file is unpacked, and its copy packed, a few rows at a time.
"""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageChops
from PIL.Image import Transpose

from nano_banana_lab.adapters.pillow.bounded_file import BoundedFile
from nano_banana_lab.adapters.pillow.decoding import opened
from nano_banana_lab.adapters.pillow.png_file import chunks
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAGIC = b"\x89PNG\r\n\x1a\n"
_BYTES_PER_PIXEL = {0: 2, 2: 6, 4: 4, 6: 8}
_MAX_BYTES_OF_PIXELS = 100_000_000
_KEPT = frozenset({b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tRNS"})
_SUB = b"\1"
_EFFORT = 3
"""Of 9: a person waits for it."""

_READ_AT_ONCE = 4096
"""Packed bytes, which unpack to 4 MiB at most."""

_WRITTEN_AT_ONCE = 512 * 1024
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and the steps from one to the next, of each pass of an interlaced picture (8.2)."""


def is_deep(data: bytes) -> bool:
    return data[24] == 16 and data[25] in _BYTES_PER_PIXEL


def turned_deep_png(data: bytes, facts: PictureFacts, how: Transpose, most: int) -> bytes:
    """The same pixels, turned, with the chunks that say how they are to be shown, in at most `most` bytes.

    Raises `InvalidImage`.
    """
    step = _BYTES_PER_PIXEL[data[25]]
    if facts.width * facts.height * step > _MAX_BYTES_OF_PIXELS:
        raise InvalidImage(reason="too_many_pixels")
    layers = _turned_layers(data, facts, how, step)
    file = BoundedFile(most)
    file.write(_MAGIC + _chunk(b"IHDR", struct.pack(">IIBBBBB", *layers[0].size, 16, data[25], 0, 0, 0)))
    for part in chunks(data):
        if part.kind in _KEPT:
            file.write(_chunk(part.kind, part.content(data)))
    for packed in filter(None, _packed(layers)):
        file.write(_chunk(b"IDAT", packed))
    file.write(_chunk(b"IEND", b""))
    return file.getvalue()


def _turned_layers(data: bytes, facts: PictureFacts, how: Transpose, step: int) -> list[Image.Image]:
    planes, layers = _planes(data, facts, step), []
    while planes:
        with opened(_grey(zlib.compress(planes.pop(), 0), facts, interlaced=data[28]), facts) as picture:
            layers.append(picture.transpose(how))
    return layers[::-1]


def _grey(packed: bytes, facts: PictureFacts, *, interlaced: int) -> bytes:
    header = struct.pack(">IIBBBBB", facts.width, facts.height, 8, 0, 0, 0, interlaced)
    return b"".join((_MAGIC, _chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))


def _planes(data: bytes, facts: PictureFacts, step: int) -> list[bytearray]:
    """For each byte of a pixel the rows that it makes, with their filters."""
    size = sum(rows * (1 + columns) for columns, rows in _passes(data, facts))
    planes, at = [bytearray(size) for _ in range(step)], 0
    for row in _rows(data, facts, step):
        end = at + 1 + len(row) // step
        for nth, plane in enumerate(planes):
            plane[at] = row[0]
            plane[at + 1 : end] = row[1 + nth :: step]
        at = end
    return planes


def _passes(data: bytes, facts: PictureFacts) -> Iterator[tuple[int, int]]:
    """Columns and rows of each pass that has any."""
    for column, row, across, down in _ADAM7 if data[28] else _WHOLE:
        size = (max(0, -(-(facts.width - column) // across)), max(0, -(-(facts.height - row) // down)))
        if all(size):
            yield size


def _rows(data: bytes, facts: PictureFacts, step: int) -> Iterator[bytearray]:
    """Each with its filter before it. Raises `InvalidImage` when there are too few."""
    pieces, held = _unpacked(data), bytearray()
    for columns, rows in _passes(data, facts):
        length = 1 + columns * step
        for _ in range(rows):
            while len(held) < length:
                held += next(pieces)
            yield held[:length]
            del held[:length]


def _unpacked(data: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    try:
        for part in chunks(data):
            if part.kind == b"IDAT":
                for at in range(part.start, part.end, _READ_AT_ONCE):
                    yield unpacker.decompress(data[at : min(at + _READ_AT_ONCE, part.end)])
    except zlib.error as error:
        raise InvalidImage(reason="truncated") from error
    raise InvalidImage(reason="truncated")


def _packed(layers: list[Image.Image]) -> Iterator[bytes]:
    """Each pixel as its difference from its left neighbour, which packs far better than the pixel itself."""
    width, height = layers[0].size
    packer = zlib.compressobj(_EFFORT)
    at_once = max(1, _WRITTEN_AT_ONCE // (width * len(layers)))
    for top in range(0, height, at_once):
        box = (0, top, width, min(top + at_once, height))
        yield packer.compress(_interleaved([_from_the_left(layer.crop(box)) for layer in layers]))
    yield packer.flush()


def _from_the_left(layer: Image.Image) -> Image.Image:
    left = Image.new("L", layer.size)
    left.paste(layer, (1, 0))
    return ImageChops.subtract_modulo(layer, left)


def _interleaved(layers: list[Image.Image]) -> bytes:
    """Rows of whole pixels, each with its filter before it."""
    step = len(layers)
    width, height = layers[0].size
    pixels = bytearray(width * height * step)
    for nth, layer in enumerate(layers):
        pixels[nth::step] = layer.tobytes()
    length = width * step
    return b"".join(_SUB + pixels[begin : begin + length] for begin in range(0, len(pixels), length))


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)))
