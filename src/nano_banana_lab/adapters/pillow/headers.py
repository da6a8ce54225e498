"""What the first bytes of a picture file say, read without a decoder.

Decoders allocate for the size a header claims before anyone can object, so the claim is read here first:
PNG (third edition, 11.2.1), JPEG (ITU T.81, B.1 and B.2), WebP (RFC 9649, section 2).
Every reading takes bounded time, however long or hostile the file is.
"""

import re
import struct
import zlib
from collections.abc import Callable, Mapping

from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FOREIGN = re.compile(
    rb"GIF8[79]a|BM.{4}\x00{4}|II\*\x00|MM\x00\*|8BPS|\xff\x0a|\x00\x00\x00\x0c(?:JXL |jP  )|\x00\x00\x01\x00|.{4}ftyp"
    rb"|(?:\xef\xbb\xbf)?\s*<(?:svg|\?xml.*<svg|!--.*<svg|!doctype svg)",
    re.DOTALL | re.IGNORECASE,
)
"""GIF, BMP, TIFF, Photoshop, JPEG XL, JPEG 2000, ICO, HEIC and AVIF, SVG: pictures, but none the lab works with."""

FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_END_OF_HEADERS = frozenset({0xD9, 0xDA})
MAX_SEGMENTS = 1024
"""Of 64 KiB each at most, so a file of 64 MiB that fills them can have them."""

_MAX_STRAY_BYTES = 16_384
"""Before the markers of one file, all together: some writers align segments, and a few leave a gap."""

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_FIRST = 1024


def read_facts(data: bytes) -> PictureFacts:
    """Type and stored size. Raises `InvalidImage` with the reason `not_an_image`, `unsupported_format` or `truncated`."""
    mime_type = _mime_type(data)
    try:
        width, height = _SIZES[mime_type](data)
    except (struct.error, IndexError):
        raise InvalidImage(reason="truncated") from None
    if width < 1 or height < 1:
        raise InvalidImage(reason="not_an_image")
    return PictureFacts(mime_type=mime_type, width=width, height=height)


def _mime_type(data: bytes) -> str:
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(_JPEG):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if _FOREIGN.match(data[:_FIRST]):
        raise InvalidImage(reason="unsupported_format")
    raise InvalidImage(reason="truncated" if _is_a_beginning(data) else "not_an_image")


def _is_a_beginning(data: bytes) -> bool:
    started = _PNG.startswith(data) or _JPEG.startswith(data) or (b"RIFF".startswith(data[:4]) and len(data) < 12)
    return started and data != b""


def _png_size(data: bytes) -> tuple[int, int]:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    (checksum,) = struct.unpack_from(">I", data, 29)
    if (length, kind) != (13, b"IHDR"):
        raise InvalidImage(reason="not_an_image")
    if checksum != zlib.crc32(data[12:29]):
        raise InvalidImage(reason="truncated")
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    markers, position = Markers(data), 2
    for _ in range(MAX_SEGMENTS):
        marker, position = markers.after(position)
        if marker in FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        if marker in _END_OF_HEADERS:
            break
        if marker not in WITHOUT_LENGTH:
            position += max(2, *struct.unpack_from(">H", data, position))
    raise InvalidImage(reason="truncated")


class Markers:
    """Finds a JPEG's markers one after another, past fill and stray bytes, of which a file has a limited number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_STRAY_BYTES

    def after(self, position: int) -> tuple[int, int]:
        """The next marker's code and where its content begins.

        Raises `InvalidImage` when none follows, or too many stray bytes come before it.
        """
        found = _MARKER.search(self._data, position, position + self._left + 2)
        if not found:
            raise InvalidImage(reason="truncated")
        self._left -= found.start() - position
        return self._data[found.start() + 1], found.end()


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return webp_canvas(data, 20)
    if kind in (b"VP8 ", b"VP8L"):
        return webp_frame(kind, data, 20)
    raise InvalidImage(reason="not_an_image" if len(data) >= 16 else "truncated")


def webp_canvas(data: bytes, at: int) -> tuple[int, int]:
    """What a VP8X chunk claims whose content begins `at`; the frames may differ."""
    size = struct.unpack_from("<HBHB", data, at + 4)
    return 1 + size[0] + (size[1] << 16), 1 + size[2] + (size[3] << 16)


def webp_frame(kind: bytes, data: bytes, at: int) -> tuple[int, int]:
    """The size in a bitstream of this kind (`VP8 ` or `VP8L`) that begins `at`; (0, 0) when it is no bitstream."""
    if kind == b"VP8L":
        mark, bits = struct.unpack_from("<BI", data, at)
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)) if mark == 0x2F else (0, 0)
    mark, width, height = struct.unpack_from("<3sHH", data, at + 3)
    return (width & 0x3FFF, height & 0x3FFF) if mark == b"\x9d\x01\x2a" else (0, 0)


_SIZES: Mapping[str, Callable[[bytes], tuple[int, int]]] = {
    "image/png": _png_size,
    "image/jpeg": _jpeg_size,
    "image/webp": _webp_size,
}
