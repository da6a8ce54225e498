"""What an image model can do and what it charges: data, never logic."""

from collections.abc import Mapping

import msgspec

from nano_banana_lab.core.generation.generated_image import Usage
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.shared.errors import FieldError, ValidationFailed


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens, and USD for one web search."""

    input: float = 0.0
    text_output: float = 0.0
    image_output: float = 0.0
    search_query: float = 0.0


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One image model.

    `max_input_images` is how many pictures it takes in one request, earlier ones of a chat included.
    `image_tokens` says for each resolution it offers how many tokens a picture is billed as.
    `placeholder` marks a model whose pictures are not made by AI.
    `successor` names what replaces a model that its maker has retired.
    """

    id: str
    aspect_ratios: tuple[str, ...]
    image_tokens: Mapping[Resolution, int]
    prices: Prices = Prices()
    max_input_images: int = 14
    grounding: bool = True
    placeholder: bool = False
    retired: bool = False
    successor: str | None = None

    def check(self, settings: ImageSettings) -> None:
        """Raise `ValidationFailed` naming every setting this model does not offer."""
        errors = []
        if settings.aspect_ratio not in self.aspect_ratios:
            errors.append(self._not_offered("settings.aspect_ratio", self.aspect_ratios))
        if settings.resolution not in self.image_tokens:
            errors.append(self._not_offered("settings.resolution", tuple(self.image_tokens)))
        if errors:
            raise ValidationFailed(errors)

    def check_search(self) -> None:
        """Raise `ValidationFailed` unless it can search the web, or only pretends to make pictures anyway."""
        if not self.grounding and not self.placeholder:
            raise ValidationFailed.of("", "no_search", model=self.id)

    def cost_usd(self, usage: Usage) -> float:
        """The price of a call (GEMINI.md section 6): image tokens, other output and thoughts, input, searches."""
        other_output = max(0, usage.output_tokens - usage.image_tokens) + usage.thinking_tokens
        tokens = (
            usage.image_tokens * self.prices.image_output
            + other_output * self.prices.text_output
            + usage.prompt_tokens * self.prices.input
        )
        return round(tokens / 1_000_000 + usage.search_queries * self.prices.search_query, 6)

    def _not_offered(self, field: str, choices: tuple[str, ...]) -> FieldError:
        return FieldError(
            field=field, type="unsupported_choice", limits={"model": self.id, "choices": ", ".join(choices)}
        )
