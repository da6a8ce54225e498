"""What picture is wanted, told so that it can be made now or later."""

from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings, Role, TextPart, Turn
from nano_banana_lab.core.generation.input_pictures import InputPicture, LoadPictures
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order, Question
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.errors import ValidationFailed


class Commission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One picture from words, and from `pictures`, which the model sees before the words, in their order.

    `prompt` is how the history shall call it, and what the model is told unless `text` says that in other words.
    """

    mode: Mode
    prompt: str
    text: str | None = None
    pictures: tuple[InputPicture, ...] = ()
    settings: ImageSettings = ImageSettings()
    grounding: bool = False
    include_thinking: bool = False

    def check(self, card: ModelCard) -> None:
        """Raise `ValidationFailed` for what this model does not offer."""
        card.check(self.settings)
        if self.grounding:
            card.check_search()
        for one_too_many in self.pictures[card.max_input_images :]:
            raise ValidationFailed.of(one_too_many.field, "too_many", most=card.max_input_images)


@dataclass(frozen=True, kw_only=True)
class CarryOut:
    """Makes what was commissioned and keeps it."""

    load_pictures: LoadPictures
    make_picture: MakePicture

    async def __call__(self, caller: Caller, commission: Commission) -> NewPicture:
        """Raises `ValidationFailed` for what the model does not offer, and what `LoadPictures` and `MakePicture` raise."""
        commission.check(self.make_picture.models.paid_by(caller.api_key).card)
        return await self.make_picture(self.order(caller, commission))

    def order(self, caller: Caller, commission: Commission) -> Order:
        """The commission on behalf of this caller."""

        async def question() -> Question:
            pictures = await self.load_pictures(caller.owner, commission.pictures)
            text = commission.prompt if commission.text is None else commission.text
            request = ImageRequest(
                turns=(Turn(role=Role.USER, parts=(*pictures, TextPart(text=text))),),
                settings=commission.settings,
                grounding=commission.grounding,
                include_thinking=commission.include_thinking,
                api_key=caller.api_key,
            )
            return Question(request=request)

        return Order(
            caller=caller,
            mode=commission.mode,
            prompt=commission.prompt,
            settings=commission.settings,
            question=question,
            loads=bool(commission.pictures),
        )
