"""Several pictures into one."""

from collections.abc import Sequence
from dataclasses import dataclass

from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings, Role, TextPart, Turn
from nano_banana_lab.core.generation.input_pictures import InputPicture, LoadPictures, check_count
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller

DEFAULT_PROMPT = "Blend these pictures into one coherent picture."
"""What the model is told when the caller leaves it to us."""


@dataclass(frozen=True, kw_only=True)
class BlendImages:
    """A picture from 2 to 14 others, in their order."""

    load_pictures: LoadPictures
    make_picture: MakePicture

    async def __call__(
        self, caller: Caller, inputs: Sequence[InputPicture], settings: ImageSettings, *, prompt: str | None = None
    ) -> NewPicture:
        """Make and keep the picture.

        Raises `ValidationFailed` for a bad prompt or too few or too many pictures, and what `LoadPictures` and `MakePicture` raise.
        """
        check_count(inputs, field="images", least=2)
        prompt = DEFAULT_PROMPT if prompt is None else checked_prompt(prompt, field="blend_prompt")
        pictures = await self.load_pictures(caller.owner, inputs)
        request = ImageRequest(
            turns=(Turn(role=Role.USER, parts=(*pictures, TextPart(text=prompt))),),
            settings=settings,
            api_key=caller.api_key,
        )
        return await self.make_picture(Order(owner=caller.owner, mode=Mode.BLEND, prompt=prompt, request=request))
