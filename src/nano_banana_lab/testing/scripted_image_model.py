"""An image model that answers what a test tells it to."""

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from inspect import isawaitable

from nano_banana_lab.adapters.sketch.pixel_sizes import ONE_K_PIXELS, pixel_size
from nano_banana_lab.core.generation.generated_image import GeneratedImage, Usage
from nano_banana_lab.core.generation.image_request import ImageRequest, PicturePart, Resolution
from nano_banana_lab.core.generation.model_card import ModelCard, Prices
from nano_banana_lab.core.generation.ports import GenerationError

Answer = bytes | GeneratedImage | GenerationError
"""A PNG, a whole result, or what to raise."""

Step = Answer | Callable[[ImageRequest], Answer | Awaitable[Answer]]
"""What one call does: an answer, or a function, plain or async, that finds it."""

SCRIPTED_CARD = ModelCard(
    id="scripted",
    aspect_ratios=tuple(ONE_K_PIXELS),
    image_tokens={Resolution.ONE_K: 1120, Resolution.TWO_K: 1120, Resolution.FOUR_K: 2000},
    prices=Prices(input=2.0, text_output=12.0, image_output=120.0, search_query=0.014),
)
"""Ratios, tokens and prices of gemini-3-pro-image (GEMINI.md sections 2 and 6)."""


class ScriptedImageModel:
    """Plays one step of `script` per call, in the order in which calls begin, then answers with default pictures.

    A default picture is a real PNG of the size asked for, plainly striped, and no two of one model are equal.
    Every picture made from bytes comes with the token counts of `usage_of`, so that it costs something.

    `requests` are those seen so far, in order; `in_flight` counts the calls that have begun and not ended,
    `most_in_flight` is the most there ever were at once.
    """

    def __init__(self, script: Iterable[Step] = (), *, card: ModelCard = SCRIPTED_CARD) -> None:
        self._script = list(script)
        self._card = card
        self._released = asyncio.Event()
        self._released.set()
        self._next_call = asyncio.Event()
        self.requests: list[ImageRequest] = []
        self.in_flight = 0
        self.most_in_flight = 0

    @property
    def card(self) -> ModelCard:
        return self._card

    def then(self, *steps: Step) -> None:
        """Add to the end of the script."""
        self._script.extend(steps)

    def hold(self) -> None:
        """From now on calls begin but do not end until `release`."""
        self._released.clear()

    def release(self) -> None:
        """Let every held call go on, and the calls to come run through."""
        self._released.set()

    async def calls_begun(self, count: int) -> None:
        """Return once `count` calls in all have begun, whether or not they have ended."""
        while len(self.requests) < count:
            await self._next_call.wait()

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """Play the next step. Raises what the script says."""
        nth, step = self._begin(request)
        try:
            await self._released.wait()
            return _result(await _answer(step, request), request, self._card, nth)
        finally:
            self.in_flight -= 1

    async def check(self) -> None:
        """Always fine."""

    async def warm_up(self) -> None:
        """Nothing to do."""

    def _begin(self, request: ImageRequest) -> tuple[int, Step | None]:
        self.requests.append(request)
        nth = len(self.requests)
        step = self._script.pop(0) if self._script else None
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._next_call.set()
        self._next_call = asyncio.Event()
        return nth, step


async def _answer(step: Step | None, request: ImageRequest) -> Answer | None:
    if not callable(step):
        return step
    found = step(request)
    return await found if isawaitable(found) else found


def _result(answer: Answer | None, request: ImageRequest, card: ModelCard, nth: int) -> GeneratedImage:
    if isinstance(answer, GenerationError):
        raise answer
    if isinstance(answer, GeneratedImage):
        return answer
    data = answer if answer is not None else striped_png(*pixel_size(request.settings), note=f"call {nth}")
    return GeneratedImage(
        data=data,
        mime_type="image/png",
        model=card.id,
        model_version=card.id,
        usage=usage_of(card, request.settings.resolution),
        parts=(PicturePart(data=data, mime_type="image/png"),),
    )


def usage_of(card: ModelCard, resolution: Resolution) -> Usage:
    """The counts of a usual answer: 32 tokens of prompt, the picture's own, 100 of other output, 200 of thoughts."""
    image = card.image_tokens[resolution]
    return Usage(
        prompt_tokens=32,
        output_tokens=image + 100,
        image_tokens=image,
        thinking_tokens=200,
        total_tokens=image + 332,
    )


def striped_png(width: int, height: int, *, note: str = "") -> bytes:
    """A black and white PNG of this size in pixels, with `note` (Latin-1) as its comment; needs no picture library."""
    return _PNG_START + b"".join((
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        _chunk(b"tEXt", b"Comment\0" + note.encode("latin-1")),
        _chunk(b"IDAT", _striped_pixels(width, height)),
        _chunk(b"IEND", b""),
    ))  # fmt: skip


_PNG_START = b"\x89PNG\r\n\x1a\n"


@lru_cache(maxsize=64)
def _striped_pixels(width: int, height: int) -> bytes:
    row = b"\0" + b"\xaa" * -(-width // 8)  # one bit per pixel, black and white in turn
    return zlib.compress(row * height, level=1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
