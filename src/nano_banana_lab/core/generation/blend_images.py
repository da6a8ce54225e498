"""Several pictures into one."""

from collections.abc import Sequence

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import InputPicture, check_count
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode

DEFAULT_PROMPT = "Blend these pictures into one coherent picture."
"""What the model is told when the caller leaves it to us."""


def blend_images(inputs: Sequence[InputPicture], settings: ImageSettings, *, prompt: str | None = None) -> Commission:
    """A picture from 2 to 14 others. Raises `ValidationFailed` for a bad prompt, and for too few or too many pictures."""
    check_count(inputs, field="images", least=2)
    prompt = DEFAULT_PROMPT if prompt is None else checked_prompt(prompt, field="blend_prompt")
    return Commission(mode=Mode.BLEND, prompt=prompt, pictures=tuple(inputs), settings=settings)
