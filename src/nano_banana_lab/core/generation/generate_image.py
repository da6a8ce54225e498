"""Text to image."""

from dataclasses import dataclass

from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller


@dataclass(frozen=True, kw_only=True)
class GenerateImage:
    """A picture from nothing but words."""

    make_picture: MakePicture

    async def __call__(
        self, caller: Caller, prompt: str, settings: ImageSettings, *, include_thinking: bool = False
    ) -> NewPicture:
        """Make and keep the picture. Raises `ValidationFailed` for a bad prompt, and what `MakePicture` raises."""
        prompt = checked_prompt(prompt)
        request = ImageRequest.from_prompt(prompt, settings, include_thinking=include_thinking, api_key=caller.api_key)
        return await self.make_picture(Order(owner=caller.owner, mode=Mode.BASIC, prompt=prompt, request=request))
