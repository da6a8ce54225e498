"""A picture that rests on what the web says today."""

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode


def search_and_generate(prompt: str, settings: ImageSettings, *, search_context: str | None = None) -> Commission:
    """The model searches the web first, and `search_context` tells it what for.

    What it finds comes with the picture and is kept for its owner only. Raises `ValidationFailed` for a bad prompt or context.
    """
    prompt, text = checked_prompt(prompt), None
    if search_context is not None:
        context = checked_prompt(search_context, field="search_context")
        text = f"{prompt}\n\nSearch the web for this first: {context}"
    return Commission(mode=Mode.SEARCH, prompt=prompt, text=text, settings=settings, grounding=True)
