"""Text to image."""

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode


def generate_image(
    prompt: str, settings: ImageSettings, *, include_thinking: bool = False, field: str = "prompt"
) -> Commission:
    """A picture from nothing but words. Raises `ValidationFailed` naming `field` for a bad prompt."""
    prompt = checked_prompt(prompt, field=field)
    return Commission(mode=Mode.BASIC, prompt=prompt, settings=settings, include_thinking=include_thinking)
