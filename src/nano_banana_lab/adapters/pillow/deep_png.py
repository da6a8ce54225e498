"""PNG of 16 bits a channel, turned without losing any: Pillow would keep the upper eight of most.

PNG filters work on each byte of a pixel alone (third edition, 9.2). So the first bytes of all pixels are a grey
picture of 8 bits of their own, and so are the second bytes, and so on: Pillow unpacks and turns them one by one.
"""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageChops
from PIL.Image import Transpose

from nano_banana_lab.adapters.pillow.decoding import opened
from nano_banana_lab.adapters.pillow.png_file import chunks
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAGIC = b"\x89PNG\r\n\x1a\n"
_BYTES_PER_PIXEL = {0: 2, 2: 6, 4: 4, 6: 8}
_KEPT = frozenset({b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tRNS"})
_SUB = 1
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and the steps from one to the next, of each pass of an interlaced picture (8.2)."""


def is_deep(data: bytes) -> bool:
    return data[24] == 16 and data[25] in _BYTES_PER_PIXEL


def turned_deep_png(data: bytes, facts: PictureFacts, how: Transpose) -> bytes:
    """The same pixels, turned, with the chunks that say how they are to be shown. Raises `InvalidImage`."""
    step = _BYTES_PER_PIXEL[data[25]]
    raw = _unpacked(data, _raw_bytes(data, facts, step))
    layers = [_layer(data, facts, raw, nth, step).transpose(how) for nth in range(step)]
    width, height = layers[0].size
    header = struct.pack(">IIBBBBB", width, height, 16, data[25], 0, 0, 0)
    kept = [_chunk(part.kind, part.content(data)) for part in chunks(data) if part.kind in _KEPT]
    packed = zlib.compress(b"".join(_rows(layers)), 6)
    return b"".join((_MAGIC, _chunk(b"IHDR", header), *kept, _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))


def _passes(data: bytes, facts: PictureFacts) -> Iterator[tuple[int, int]]:
    """Columns and rows of each pass that has any."""
    for column, row, across, down in _ADAM7 if data[28] else _WHOLE:
        size = (max(0, -(-(facts.width - column) // across)), max(0, -(-(facts.height - row) // down)))
        if all(size):
            yield size


def _raw_bytes(data: bytes, facts: PictureFacts, step: int) -> int:
    return sum(rows * (1 + columns * step) for columns, rows in _passes(data, facts))


def _unpacked(data: bytes, expected: int) -> bytes:
    packed = b"".join(part.content(data) for part in chunks(data) if part.kind == b"IDAT")
    try:
        raw = zlib.decompressobj().decompress(packed, expected)
    except zlib.error as error:
        raise InvalidImage(reason="truncated") from error
    if len(raw) < expected:
        raise InvalidImage(reason="truncated")
    return raw


def _layer(data: bytes, facts: PictureFacts, raw: bytes, nth: int, step: int) -> Image.Image:
    """The picture that the `nth` byte of every pixel makes."""
    lines: list[bytes] = []
    at = 0
    for columns, rows in _passes(data, facts):
        for _ in range(rows):
            lines += (raw[at : at + 1], raw[at + 1 + nth : at + 1 + columns * step : step])
            at += 1 + columns * step
    header = struct.pack(">IIBBBBB", facts.width, facts.height, 8, 0, 0, 0, data[28])
    packed = zlib.compress(b"".join(lines), 0)
    file = b"".join((_MAGIC, _chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))
    with opened(file, facts) as picture:
        picture.load()
        return picture.copy()


def _rows(layers: list[Image.Image]) -> Iterator[bytes]:
    """Each pixel as its difference from its left neighbour, which packs far better than the pixel itself."""
    width, height = layers[0].size
    differences = [_from_the_left(layer).tobytes() for layer in layers]
    for row in range(height):
        line = bytearray(width * len(layers))
        for nth, difference in enumerate(differences):
            line[nth :: len(layers)] = difference[row * width : (row + 1) * width]
        yield bytes((_SUB,)) + line


def _from_the_left(layer: Image.Image) -> Image.Image:
    left = Image.new("L", layer.size)
    left.paste(layer, (1, 0))
    return ImageChops.subtract_modulo(layer, left)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
