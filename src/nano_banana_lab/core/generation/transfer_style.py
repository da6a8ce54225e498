"""One picture in the style of another, or of a description."""

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import InputPicture
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.shared.errors import ValidationFailed

KEEP_THE_CONTENT = "Keep what it shows and how it is composed."


def transfer_style(
    content: InputPicture, settings: ImageSettings, *, style: InputPicture | None = None, prompt: str | None = None
) -> Commission:
    """The content of one picture, drawn anew.

    Raises `ValidationFailed` for a bad prompt, and when there is neither a style picture nor a prompt.
    """
    if prompt is not None:
        prompt = checked_prompt(prompt, field="style_prompt")
    elif style is None:
        raise ValidationFailed.of("style_prompt", "style_missing")
    text = _instruction(prompt, has_style_picture=style is not None)
    pictures = (content,) if style is None else (content, style)
    told = text if prompt else None
    return Commission(mode=Mode.STYLE, prompt=prompt or text, text=told, pictures=pictures, settings=settings)


def _instruction(prompt: str | None, *, has_style_picture: bool) -> str:
    if not has_style_picture:
        return f"Draw this picture anew in the following style. {KEEP_THE_CONTENT} Style: {prompt}"
    instruction = f"Draw the first picture anew in the style of the second picture. {KEEP_THE_CONTENT}"
    return f"{instruction} {prompt}" if prompt else instruction
