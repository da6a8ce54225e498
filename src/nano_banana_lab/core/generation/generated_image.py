"""What an image model answers."""

from collections.abc import Mapping

import msgspec

from nano_banana_lab.core.generation.image_request import Part
from nano_banana_lab.core.history.grounding import Grounding


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the model counted them. `total_tokens` is the model's own sum, never ours (GEMINI.md section 1.3).

    `output_tokens` are text and pictures together, `image_tokens` those of the pictures alone;
    `search_queries` is how many web searches were run.
    """

    prompt_tokens: int = 0
    output_tokens: int = 0
    image_tokens: int = 0
    thinking_tokens: int = 0
    total_tokens: int = 0
    search_queries: int = 0


class SafetyRating(msgspec.Struct, frozen=True, kw_only=True):
    """The model's own judgement of one kind of harm, in its own words."""

    category: str
    probability: str
    blocked: bool = False


class GeneratedImage(msgspec.Struct, frozen=True, kw_only=True):
    """A picture and all that came with it.

    `data` is exactly what the model made, `mime_type` what the bytes are (not what the model said they are).
    `text` and `thinking` are None when there were none. `model` is the id that was asked for,
    `model_version` what the service said it used. `parts` are the model's non-thought parts in order, for a next turn.
    """

    data: bytes
    mime_type: str
    model: str
    model_version: str
    text: str | None = None
    thinking: str | None = None
    usage: Usage = Usage()
    grounding: Grounding | None = None
    safety_ratings: tuple[SafetyRating, ...] = ()
    finish_reason: str = "STOP"
    parts: tuple[Part, ...] = ()
    details: Mapping[str, str] = {}
