"""Signs that a picture file is also a file of another kind, and so may be taken for one.

Three sorts of signs: where another reader begins (a tape archive at byte 257, JavaScript in the first bytes),
what a note within a picture may not begin with, and what may stand nowhere, not even between the pixels.
The last sort is long enough to never occur by chance: less than once in a million pictures of 20 MB.
XMP, EXIF, colour profiles and C2PA have none of them.
"""

import re

from nano_banana_lab.core.history.ports import InvalidImage

_NOTHING_BEGINS_WITH = re.compile(
    rb"PK(?:\x03\x04|\x05\x06|\x01\x02)|Rar!|7z\xbc\xaf|\x1f\x8b\x08|BZh[1-9]|\xfd7zXZ|\x28\xb5\x2f\xfd|MSCF"
    rb"|%PDF|%!PS|\x7fELF|MZ.\x00|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\x00asm|#!\s*/|\xd0\xcf\x11\xe0|!<arch>"
    rb"|\s*<(?:script|html|!doctype|svg|body|head|iframe|\?php|\?=|%)",
    re.DOTALL | re.IGNORECASE,
)
"""Archives, documents, programs, pages and scripts."""

_PROSE = rb"[\t\r\n -~]{8}"
_NOWHERE: tuple[tuple[bytes, re.Pattern[bytes]], ...] = (
    (b"<script", re.compile(rb"<script[\s>/]")),
    (b"<html", re.compile(rb"<html[\s>]" + _PROSE)),
    (b"<body", re.compile(rb"<body[\s>]" + _PROSE)),
    (b"<svg", re.compile(rb"<svg[\s>]" + _PROSE)),
    (b"<iframe", re.compile(rb"<iframe[\s>]")),
    (b"<!doctype html", re.compile(rb"")),
    (b"<?php", re.compile(rb"<\?php\s")),
    (b"__halt_compiler", re.compile(rb"")),
    (b"%pdf-", re.compile(rb"%pdf-\d\.\d")),
    (b"pk\x03\x04", re.compile(rb"pk\x03\x04[\x00-\x3f]\x00.{2}[\x00-\x63]\x00", re.DOTALL)),
    (b"rar!\x1a\x07", re.compile(rb"rar!\x1a\x07(?:\x00|\x01\x00)")),
    (b"7z\xbc\xaf\x27\x1c", re.compile(rb"7z\xbc\xaf\x27\x1c\x00[\x00-\x04]")),
    (b"mscf\0\0\0\0", re.compile(rb"")),
    (b"\x7felf", re.compile(rb"\x7felf[\x01\x02]{2}\x01")),
    (b"program cannot be run in dos mode", re.compile(rb"")),
)
"""In small letters: a literal that is quick to look for, and what must stand there if it is not to be chance."""

_WINDOW = 1024 * 1024
_OVERLAP = 64
_END_OF_ZIP_IN_LAST = 65_557


def refuse_other_kinds(data: bytes) -> None:
    """Looks through the whole file, in time proportional to its length. Raises `InvalidImage`."""
    if _is_script(data) or _is_tape_or_disc(data) or _is_zip(data):
        raise InvalidImage(reason="something_else_too")
    for start in range(0, len(data), _WINDOW):
        window = data[start : start + _WINDOW + _OVERLAP].lower()
        for literal, pattern in _NOWHERE:
            if literal in window and pattern.search(window):
                raise InvalidImage(reason="something_else_too")


def refuse_as_note(content: bytes) -> None:
    """For a comment, a text, or a part of unknown kind. Raises `InvalidImage`."""
    if _NOTHING_BEGINS_WITH.match(content[:256]):
        raise InvalidImage(reason="something_else_too")


def _is_script(data: bytes) -> bool:
    """The length of the first part can open a JavaScript comment; true lengths never read so."""
    return data.startswith(b"\xff\xd8\xff\xe0/*") or (data.startswith(b"RIFF") and data[4:6] in (b"/*", b"//"))


def _is_tape_or_disc(data: bytes) -> bool:
    return data[257:262] == b"ustar" or data[32_769:32_774] == b"CD001"


def _is_zip(data: bytes) -> bool:
    """As archive readers decide it: from the directory at the end, wherever the archive begins."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - _END_OF_ZIP_IN_LAST))
    return end >= 0 and data.rfind(b"PK\x01\x02", 0, end) >= 0
