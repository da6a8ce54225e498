"""What phones put behind the end of a JPEG: padding, a short film, or Samsung's notes."""

import re
import struct

_ZEROS = re.compile(rb"\x00*")
_BOX = re.compile(rb"ftyp|moov|mdat|free|skip|wide|uuid|meta|moof|mfra|styp|sidx|udta|pdin|mpvd")
_MAX_BOXES = 4096
_MAX_NOTES = 256


def after_appendix(data: bytes, start: int) -> int:
    """Where a known appendix that begins at `start` ends, padding included; otherwise where the padding ends."""
    return _end_of_samsung(data, start) or _end_of_film(data, start) or _after_zeros(data, start)


def _after_zeros(data: bytes, start: int) -> int:
    found = _ZEROS.match(data, start)
    return found.end() if found else start


def _end_of_film(data: bytes, start: int) -> int | None:
    """A motion photo: an MP4 file of boxes (ISO 14496-12, 4.2), which fills the rest but for padding or notes."""
    first = max(start, _after_zeros(data, start) - 3)
    begin = next((at for at in range(first, first + 4) if data.startswith(b"ftyp", at + 4)), None)
    if begin is None:
        return None
    for _ in range(_MAX_BOXES):
        if not _BOX.match(data, begin + 4):
            return _after_zeros(data, begin)
        length = _length(data, begin)
        if length < 8 or begin + length > len(data):
            return None
        begin += length
    return None


def _length(data: bytes, begin: int) -> int:
    (length,) = struct.unpack_from(">I", data, begin)
    if length == 0:
        return len(data) - begin
    return int(struct.unpack_from(">Q", data, begin + 8)[0]) if length == 1 and begin + 16 <= len(data) else int(length)


def _end_of_samsung(data: bytes, start: int) -> int | None:
    """Blocks, then a directory `SEFH` of type, distance and length of each, its own length and `SEFT`, up to the end.

    As ExifTool describes the trailer (Image::ExifTool::Samsung, ProcessSamsung).
    """
    if not data.endswith(b"SEFT") or len(data) < start + 20:
        return None
    (length,) = struct.unpack_from("<I", data, len(data) - 8)
    directory = len(data) - 8 - length
    if directory < start or not data.startswith(b"SEFH", directory):
        return None
    (count,) = struct.unpack_from("<I", data, directory + 8)
    if not 0 < count <= _MAX_NOTES or length != 12 + 12 * count:
        return None
    entries = [struct.unpack_from("<HHII", data, directory + 12 + 12 * nth) for nth in range(count)]
    covered = sorted((directory - distance, directory - distance + size) for _, _, distance, size in entries)
    return len(data) if _is_seamless(data, start, covered, directory) else None


def _is_seamless(data: bytes, start: int, covered: list[tuple[int, int]], directory: int) -> bool:
    """Whether the blocks leave no room for anything between them but padding."""
    for begin, end in covered:
        if begin < start or end > directory or _after_zeros(data, start) < begin:
            return False
        start = end
    return _after_zeros(data, start) >= directory
