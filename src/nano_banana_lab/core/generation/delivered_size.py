"""Whether a picture is the size that was asked for."""

from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution

NOMINAL_PIXELS = {Resolution.ONE_K: 1024**2, Resolution.TWO_K: 2048**2, Resolution.FOUR_K: 4096**2}
RATIO_TOLERANCE = 0.05
"""Models round the sides to multiples of 16; the published tables differ from the exact ratio by up to 3 % (GEMINI.md
section 2)."""


def delivers(settings: ImageSettings, width: int, height: int) -> bool:
    """Whether `width` x `height` pixels are of the ratio and of about the area that the settings ask for."""
    across, _, down = settings.aspect_ratio.partition(":")
    wanted = int(across) / int(down)
    area = width * height / NOMINAL_PIXELS[settings.resolution]
    return abs(width / height / wanted - 1) <= RATIO_TOLERANCE and 0.5 < area < 2
