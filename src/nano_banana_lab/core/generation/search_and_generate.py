"""A picture that rests on what the web says today."""

from dataclasses import dataclass

from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller


@dataclass(frozen=True, kw_only=True)
class SearchAndGenerate:
    """The model searches the web first. What it found comes with the picture and is kept for its owner only."""

    make_picture: MakePicture

    async def __call__(
        self, caller: Caller, prompt: str, settings: ImageSettings, *, search_context: str | None = None
    ) -> NewPicture:
        """Make and keep the picture; `search_context` tells the model what to look for.

        Raises `ValidationFailed` for a bad prompt or context, and what `MakePicture` raises.
        """
        prompt = checked_prompt(prompt)
        text = prompt
        if search_context is not None:
            text = (
                f"{prompt}\n\nSearch the web for this first: {checked_prompt(search_context, field='search_context')}"
            )
        request = ImageRequest.from_prompt(text, settings, grounding=True, api_key=caller.api_key)
        return await self.make_picture(Order(owner=caller.owner, mode=Mode.SEARCH, prompt=prompt, request=request))
