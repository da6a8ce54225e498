"""Picture files through Pillow."""

import asyncio
import struct
from concurrent.futures import ThreadPoolExecutor

from nano_banana_lab.adapters.pillow.headers import read_facts
from nano_banana_lab.adapters.pillow.orientation import orientation
from nano_banana_lab.adapters.pillow.whole_file import verify
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAX_SIDE = 65_535
"""As JPEG has it. A PNG may have more, but then rows, or lists of rows, take several times the memory of its pixels."""


class PillowPictureTools:
    """Reads headers itself and leaves pixels to Pillow, whose global settings stay as they are.

    Pictures of more than `max_pixels` or `max_bytes`, or with a side of more than 65,535 pixels, are refused before
    anything is unpacked, and turned copies as soon as they pass `max_turned_bytes`.
    Pillow's own limit holds too: with `max_pixels` beyond 89 million it warns, beyond 178 million it refuses.
    Thumbnails are made in at most `threads` threads, each with one unpacked picture (4 bytes per pixel, WebP 16) at a
    time; as many other threads look at pictures from outside, which so never wait for thumbnails.
    """

    def __init__(
        self,
        *,
        max_pixels: int = 50_000_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_turned_bytes: int = 20 * 1024 * 1024,
        threads: int = 2,
    ) -> None:
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._max_turned_bytes = max_turned_bytes
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="thumbnail")
        self._threads_for_uploads = ThreadPoolExecutor(threads, thread_name_prefix="upload")

    async def inspect(self, data: bytes) -> PictureFacts:
        """As the port says. Takes microseconds, at worst a few milliseconds, so it needs no thread."""
        return self._checked(data)

    async def thumbnail(self, data: bytes, *, longest_side: int = 512) -> bytes:
        """As the port says; of an animation its first picture. Transparency and a colour profile are kept.

        Raises ValueError when `longest_side` is less than one pixel.
        """
        if longest_side < 1:
            raise ValueError("a thumbnail needs at least one pixel")
        facts = self._checked(data)
        return await asyncio.get_running_loop().run_in_executor(self._threads, _small_copy, data, facts, longest_side)

    async def verify(self, data: bytes) -> PictureFacts:
        """As the port says; of an animation the first picture is decoded, of a JPEG with several too.

        Behind the end of a JPEG may stand padding, more JPEGs, a motion photo's film and Samsung's notes, else nothing.
        Takes up to 8 bytes of memory per pixel, WebP 16. Refused as `too_many_pixels` are JPEGs whose scans together have
        more than a thousand million, and WebP and PNG of 16 bits with more than 25 million.
        """
        facts = self._checked(data)
        return await asyncio.get_running_loop().run_in_executor(self._threads_for_uploads, verify, data, facts)

    async def upright(self, data: bytes) -> bytes:
        """As the port says; what must be turned keeps neither EXIF nor XMP nor notes, of an animation its first picture.

        JPEG and lossy WebP are packed again with quality 95, JPEG never progressive.

        Takes in memory, and refuses as `too_many_pixels`:

        - PNG and JPEG: 8 bytes per pixel; JPEG of several scans 12, and more than 35 million pixels
        - PNG of 16 bits: the pixels' own 2 to 8 bytes and 5 more; pixels of more than 100 million bytes
        - WebP: 17 bytes per pixel, and more than 25 million; lossless or transparent 40, and more than 10 million
        """
        facts, loop = self._checked(data), asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads_for_uploads, _upright, data, facts, self._max_turned_bytes)

    def _checked(self, data: bytes) -> PictureFacts:
        if len(data) > self._max_bytes:
            raise InvalidImage(reason="too_many_bytes")
        facts = read_facts(data)
        if facts.width * facts.height > self._max_pixels or max(facts.width, facts.height) > _MAX_SIDE:
            raise InvalidImage(reason="too_many_pixels")
        return facts


def _small_copy(data: bytes, facts: PictureFacts, longest_side: int) -> bytes:
    from nano_banana_lab.adapters.pillow.thumbnails import small_copy  # noqa: PLC0415  # imports Pillow: not at start

    return small_copy(data, facts, longest_side)


def _upright(data: bytes, facts: PictureFacts, most: int) -> bytes:
    try:
        found = orientation(data, facts.mime_type)
        if found == 1:
            return data
        from nano_banana_lab.adapters.pillow.turning import turned  # noqa: PLC0415  # imports Pillow: not at start

        return turned(data, facts, found, most)
    except (struct.error, IndexError):
        raise InvalidImage(reason="truncated") from None
