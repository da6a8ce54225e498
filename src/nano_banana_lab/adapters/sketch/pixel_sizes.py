"""How many pixels a picture has: the sizes that gemini-3-pro-image delivers (GEMINI.md section 2)."""

from collections.abc import Mapping

from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution

ONE_K_PIXELS: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
"""Width and height at 1K for every aspect ratio on offer."""

ENLARGEMENT: Mapping[Resolution, int] = {Resolution.ONE_K: 1, Resolution.TWO_K: 2, Resolution.FOUR_K: 4}
"""Both sides at this resolution, in multiples of those at 1K."""


def pixel_size(settings: ImageSettings) -> tuple[int, int]:
    """Width and height in pixels. Raises KeyError for an aspect ratio that is not in the table."""
    width, height = ONE_K_PIXELS[settings.aspect_ratio]
    factor = ENLARGEMENT[settings.resolution]
    return width * factor, height * factor
