"""An image model that needs no network and no key: it draws what was asked for, in words."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from nano_banana_lab.adapters.sketch.pixel_sizes import ENLARGEMENT, ONE_K_PIXELS
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest, PicturePart
from nano_banana_lab.core.generation.model_card import ModelCard

T = TypeVar("T")

SKETCH_CARD = ModelCard(
    id="sketch",
    aspect_ratios=tuple(ONE_K_PIXELS),
    image_tokens=dict.fromkeys(ENLARGEMENT, 0),
    grounding=False,
    placeholder=True,
)
"""Free of charge; the ratios and resolutions of gemini-3-pro-image."""


class SketchImageModel:
    """Draws a landscape with the prompt and the settings written on it, plainly labelled as not made by AI.

    The same prompt, settings and input pictures give the same bytes. Safety level, grounding, thinking and keys change
    nothing in how it works: it searches nowhere, answers no text and costs nothing.
    Drawing happens in at most `threads` threads (default: one per processor, at most 2); further calls wait their turn.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        workers = threads or min(2, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sketch")

    @property
    def card(self) -> ModelCard:
        return SKETCH_CARD

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """Draw the last user turn's words, with small copies of the pictures in the last two turns.

        Raises `ValidationFailed` for settings that are not on the card; never fails otherwise.
        """
        self.card.check(request.settings)
        data = await self._in_thread(lambda: _draw(request))
        return GeneratedImage(
            data=data,
            mime_type="image/png",
            model=self.card.id,
            model_version=self.card.id,
            parts=(PicturePart(data=data, mime_type="image/png"),),
        )

    async def check(self) -> None:
        """Always fine: there is nothing to reach."""

    async def warm_up(self) -> None:
        """Import Pillow and draw one picture, so that the first one asked for is quick."""
        await self._in_thread(lambda: _draw(ImageRequest.from_prompt("warming up")))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _draw(request: ImageRequest) -> bytes:
    from nano_banana_lab.adapters.sketch.drawing import draw_png  # noqa: PLC0415  # imports Pillow: 50 ms, not at start

    inputs = [part.data for turn in request.turns[-2:] for part in turn.parts if isinstance(part, PicturePart)]
    return draw_png(request.prompt, request.settings, inputs)
