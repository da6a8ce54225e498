"""How a camera was held, as EXIF says (CIPA DC-008, 4.6.5.1; the layout is that of TIFF 6.0, section 2).

Read without Pillow, which unpacks every tag: in a hostile file each of thousands may claim all of its bytes.
"""

import struct
from itertools import takewhile

from nano_banana_lab.adapters.pillow import jpeg_file, png_file, webp_file

_PREFIX = b"Exif\0\0"
_ORIENTATION, _SHORT = 0x0112, 3
_SCAN = b"\xda"
_MAX_TAGS = 1024


def orientation(data: bytes, mime_type: str) -> int:
    """1 (upright) to 8; 1 too when there is no EXIF, or none that can be read. Raises `InvalidImage`."""
    exif = _exif(data, mime_type)
    try:
        found = _first_directory(exif.removeprefix(_PREFIX))
    except struct.error:
        return 1
    return found if 1 <= found <= 8 else 1


def _exif(data: bytes, mime_type: str) -> bytes:
    if mime_type == "image/jpeg":
        before = takewhile(lambda part: part.kind != _SCAN, jpeg_file.segments(data))
        found = (p for p in before if p.kind == b"\xe1" and data.startswith(_PREFIX, p.start, p.end))
    elif mime_type == "image/png":
        found = (part for part in png_file.chunks(data) if part.kind == b"eXIf")
    else:
        found = (part for part in webp_file.chunks(data) if part.kind == b"EXIF")
    return next((part.content(data) for part in found), b"")


def _first_directory(tiff: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    (begin,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, begin)
    for nth in range(min(count, _MAX_TAGS)):
        tag, kind, values, value = struct.unpack_from(order + "HHIH", tiff, begin + 2 + 12 * nth)
        if tag == _ORIENTATION:
            return int(value) if (kind, values) == (_SHORT, 1) else 1
    return 1
