"""Hills under a sun: a background that belongs to a prompt, drawn in shades of one palette."""

import math
from collections.abc import Iterator
from hashlib import shake_256

from PIL import Image, ImageDraw

PALETTES: tuple[tuple[str, ...], ...] = (
    ("#14132b", "#3a2a63", "#8a4a8f", "#f0857d", "#ffd9a0", "#fffaf0"),
    ("#0b1f2e", "#13455c", "#2a8594", "#7cc6b4", "#e9e7b6", "#fffdf4"),
    ("#1b1530", "#48225e", "#a83a6b", "#f47b57", "#fcd27b", "#fffbee"),
    ("#10231c", "#1f4d3d", "#4f8a5b", "#a9bf6a", "#f1e2a4", "#fffcf0"),
    ("#0f1d3a", "#21407a", "#4f7fc0", "#a3bfe6", "#f6d5d9", "#fffaf8"),
    ("#241414", "#5a2a27", "#a6573f", "#e0985f", "#f6d8a0", "#fffaf0"),
    ("#171a2c", "#39406b", "#7273a8", "#c39cc0", "#f7cfc0", "#fffaf5"),
    ("#0d2430", "#1c5160", "#3d8c86", "#e0a458", "#f8d98f", "#fffbef"),
)
"""Each from its darkest to its lightest colour; the last one is light enough to write with on the first."""

DARK, LIGHT = 14, 255
"""The shades of panels and of what is written on them."""

_SUN = 244
_SKY_TOP, _SKY_BOTTOM = 118, 216
_FARTHEST, _NEAREST = 142, 40
_RIDGES = 5


class Draws:
    """Numbers from 0 to 1 that follow from a text alone, on every machine."""

    def __init__(self, text: str) -> None:
        self._bytes: Iterator[int] = iter(shake_256(text.encode("utf-8", "replace")).digest(512))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._bytes) / 255


def palette_for(prompt: str) -> bytes:
    """256 colours, red, green and blue of each, from the prompt's darkest shade to its lightest."""
    which = shake_256(prompt.encode("utf-8", "replace")).digest(1)[0] % len(PALETTES)
    stops = [tuple(bytes.fromhex(colour[1:])) for colour in PALETTES[which]]
    return bytes(channel for shade in range(256) for channel in _mixed(stops, shade / 255))


def _mixed(stops: list[tuple[int, ...]], position: float) -> Iterator[int]:
    nth = min(int(position * (len(stops) - 1)), len(stops) - 2)
    share = position * (len(stops) - 1) - nth
    return (round(low + (high - low) * share) for low, high in zip(stops[nth], stops[nth + 1], strict=True))


def scenery(prompt: str, size: tuple[int, int]) -> Image.Image:
    """Shades (mode L) of a landscape that is always the same for the same prompt and size."""
    draws = Draws(prompt)
    sky = Image.linear_gradient("L").point([_shade(_SKY_TOP, _SKY_BOTTOM, row / 255) for row in range(256)])
    column = sky.resize((1, size[1]), Image.Resampling.BILINEAR)
    canvas = column.resize(size, Image.Resampling.NEAREST)
    _draw_sun(canvas, draws)
    for nth in range(_RIDGES):
        _draw_ridge(canvas, draws, nth / (_RIDGES - 1))
    return canvas


def _shade(first: int, last: int, share: float) -> int:
    return round(first + (last - first) * share)


def _draw_sun(canvas: Image.Image, draws: Draws) -> None:
    width, height = canvas.size
    radius = min(width, height) * draws.between(0.08, 0.14)
    centre = (width * draws.between(0.15, 0.85), height * draws.between(0.2, 0.36))
    reach = int(radius * 3.2)
    glow = (
        Image.radial_gradient("L").point([max(0, 120 - shade) for shade in range(256)]).resize((2 * reach, 2 * reach))
    )
    canvas.paste(_SUN, (int(centre[0]) - reach, int(centre[1]) - reach), glow)
    ImageDraw.Draw(canvas).circle(centre, radius, fill=_SUN)


def _draw_ridge(canvas: Image.Image, draws: Draws, nearness: float) -> None:
    width, height = canvas.size
    middle = height * (0.46 + 0.42 * nearness)
    waves = [
        (height * draws.between(0.5, 1) * 0.16 / count, count * draws.between(0.6, 1.4), draws.between(0, math.tau))
        for count in (1, 2, 5)
    ]
    line = [
        (
            width * step / 96,
            middle + sum(high * math.sin(math.tau * often * step / 96 + at) for high, often, at in waves),
        )
        for step in range(97)
    ]
    shade = _shade(_FARTHEST, _NEAREST, nearness)
    ImageDraw.Draw(canvas).polygon([(0, height), *line, (width, height)], fill=shade)
