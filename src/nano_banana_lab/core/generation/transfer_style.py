"""One picture in the style of another, or of a description."""

from dataclasses import dataclass

from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings, Role, TextPart, Turn
from nano_banana_lab.core.generation.input_pictures import InputPicture, LoadPictures
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.errors import ValidationFailed

KEEP_THE_CONTENT = "Keep what it shows and how it is composed."


@dataclass(frozen=True, kw_only=True)
class TransferStyle:
    """The content of one picture, drawn anew."""

    load_pictures: LoadPictures
    make_picture: MakePicture

    async def __call__(
        self,
        caller: Caller,
        content: InputPicture,
        settings: ImageSettings,
        *,
        style: InputPicture | None = None,
        prompt: str | None = None,
    ) -> NewPicture:
        """Make and keep the picture.

        Raises `ValidationFailed` for a bad prompt, or when there is neither a style picture nor a prompt,
        and what `LoadPictures` and `MakePicture` raise.
        """
        if prompt is not None:
            prompt = checked_prompt(prompt, field="style_prompt")
        elif style is None:
            raise ValidationFailed.of("style_prompt", "style_missing")
        pictures = await self.load_pictures(caller.owner, [content] if style is None else [content, style])
        text = _instruction(prompt, has_style_picture=style is not None)
        request = ImageRequest(
            turns=(Turn(role=Role.USER, parts=(*pictures, TextPart(text=text))),),
            settings=settings,
            api_key=caller.api_key,
        )
        order = Order(owner=caller.owner, mode=Mode.STYLE, prompt=prompt or text, request=request)
        return await self.make_picture(order)


def _instruction(prompt: str | None, *, has_style_picture: bool) -> str:
    if not has_style_picture:
        return f"Draw this picture anew in the following style. {KEEP_THE_CONTENT} Style: {prompt}"
    instruction = f"Draw the first picture anew in the style of the second picture. {KEEP_THE_CONTENT}"
    return f"{instruction} {prompt}" if prompt else instruction
