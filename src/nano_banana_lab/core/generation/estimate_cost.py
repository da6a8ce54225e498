"""What pictures will probably cost."""

import msgspec

from nano_banana_lab.core.generation.generated_image import Usage
from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.quota.modes import quota_mode_of
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.errors import ValidationFailed

TYPICAL = Usage(prompt_tokens=32, output_tokens=652, thinking_tokens=748)
"""What a call takes besides its picture, from a captured answer (GEMINI.md section 1.2)."""

INPUT_IMAGE_TOKENS = 800
"""Observed 500 to 1100 for each input picture (GEMINI.md section 6)."""

INPUT_IMAGES = {Mode.BLEND: 2, Mode.STYLE: 2, Mode.CHAT: 1}


class CostEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """For `count` pictures together; `quota_cost` is in trial points."""

    mode: Mode
    resolution: Resolution
    count: int
    estimated_cost_usd: float
    estimated_tokens: int
    quota_cost: int


def estimate_cost(
    card: ModelCard, policy: QuotaPolicy, *, mode: Mode, resolution: Resolution, count: int
) -> CostEstimate:
    """From the model's price table and typical token counts; the true cost is known from each answer.

    Raises `ValidationFailed` for a resolution the model does not offer.
    """
    if resolution not in card.image_tokens:
        raise ValidationFailed.of(
            "resolution", "unsupported_choice", model=card.id, choices=", ".join(card.image_tokens)
        )
    image_tokens = card.image_tokens[resolution]
    usage = Usage(
        prompt_tokens=TYPICAL.prompt_tokens + INPUT_IMAGES.get(mode, 0) * INPUT_IMAGE_TOKENS,
        output_tokens=TYPICAL.output_tokens + image_tokens,
        image_tokens=image_tokens,
        thinking_tokens=TYPICAL.thinking_tokens,
        search_queries=1 if mode is Mode.SEARCH else 0,
    )
    return CostEstimate(
        mode=mode,
        resolution=resolution,
        count=count,
        estimated_cost_usd=round(count * card.cost_usd(usage), 6),
        estimated_tokens=count * (usage.prompt_tokens + usage.output_tokens + usage.thinking_tokens),
        quota_cost=count * policy.modes[quota_mode_of(mode, resolution)].cost,
    )
