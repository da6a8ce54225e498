"""The models the double knows; written down apart from the adapter's table, so that each checks the other."""

from dataclasses import dataclass

COMMON_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
PANORAMAS = ("1:4", "4:1", "1:8", "8:1")

RETIRED = frozenset(
    {"gemini-3-pro-image-preview", "gemini-3.1-flash-image", "gemini-2.5-flash-image", "gemini-2.0-flash"}
)
"""Ids that answer 404, as Google's do since their shutdown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """What one model accepts. A model without sizes answers in text only."""

    sizes: tuple[str, ...] = ()
    ratios: tuple[str, ...] = COMMON_RATIOS
    search: bool = True


MODELS = {
    "gemini-3-pro-image": ServedModel(sizes=("1K", "2K", "4K")),
    "gemini-nano-banana-2.1": ServedModel(sizes=("1K", "2K", "4K"), ratios=COMMON_RATIOS + PANORAMAS),
    "gemini-3.1-flash-lite-image": ServedModel(sizes=("1K",), ratios=COMMON_RATIOS + PANORAMAS, search=False),
    "gemini-3.8-flash": ServedModel(),
    "gemini-3.5-flash-lite": ServedModel(),
}

_AT_1K = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:4": (896, 1200),
    "4:5": (928, 1152),
    "9:16": (768, 1376),
    "1:4": (512, 2048),
    "1:8": (384, 3072),
    "21:9": (1584, 672),
}
"""Pixels at 1K; 2K and 4K are two and four times as many on each side, and a turned ratio is a turned picture."""

_SCALES = {"1K": 1, "2K": 2, "4K": 4}


def pixels(ratio: str, size: str) -> tuple[int, int]:
    """Width and height of the picture that Google makes (GEMINI.md section 2)."""
    turned = ":".join(reversed(ratio.split(":")))
    width, height = _AT_1K.get(ratio) or tuple(reversed(_AT_1K[turned]))
    return width * _SCALES[size], height * _SCALES[size]


def described(model_id: str) -> dict[str, object]:
    """What `GET models/{id}` says."""
    return {
        "name": f"models/{model_id}",
        "version": "001",
        "displayName": model_id,
        "inputTokenLimit": 65536,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
    }
