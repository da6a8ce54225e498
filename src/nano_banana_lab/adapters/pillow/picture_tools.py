"""Picture files through Pillow."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from nano_banana_lab.adapters.pillow.headers import read_facts
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts


class PillowPictureTools:
    """Reads headers itself and leaves pixels to Pillow, whose global settings stay as they are.

    Pictures of more than `max_pixels` or `max_bytes` are refused before anything is unpacked.
    Pillow's own limit holds too: with `max_pixels` beyond 89 million it warns, beyond 178 million it refuses.
    Thumbnails are made in at most `threads` threads, each with one unpacked picture (4 bytes per pixel) at a time.
    """

    def __init__(self, *, max_pixels: int = 50_000_000, max_bytes: int = 64 * 1024 * 1024, threads: int = 2) -> None:
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="thumbnail")

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

    def _checked(self, data: bytes) -> PictureFacts:
        if len(data) > self._max_bytes:
            raise InvalidImage(reason="too_many_bytes")
        facts = read_facts(data)
        if facts.width * facts.height > self._max_pixels:
            raise InvalidImage(reason="too_many_pixels")
        return facts


def _small_copy(data: bytes, facts: PictureFacts, longest_side: int) -> bytes:
    from nano_banana_lab.adapters.pillow.thumbnails import small_copy  # noqa: PLC0415  # imports Pillow: not at start

    return small_copy(data, facts, longest_side)
