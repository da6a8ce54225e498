"""Several pictures into one."""

from typing import Any

import pytest
from tests.core.input_labs import ALICE, sent

from nano_banana_lab.core.generation.blend_images import DEFAULT_PROMPT, blend_images
from nano_banana_lab.core.generation.image_request import ImageSettings, PicturePart, Role, TextPart
from nano_banana_lab.core.generation.input_pictures import SentPicture
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey

PAIR = [sent("one"), sent("two", "images.1")]


async def test_the_pictures_come_first_and_the_prompt_last(lab: Any) -> None:
    await lab.carry_out(ALICE, blend_images(PAIR, ImageSettings(aspect_ratio="1:1"), prompt=" side by side "))

    [request] = lab.model.requests
    [turn] = request.turns
    pictures = tuple(PicturePart(data=each.data, mime_type="image/png") for each in PAIR)
    assert (turn.role, turn.parts) == (Role.USER, (*pictures, TextPart(text="side by side")))
    assert (request.settings.aspect_ratio, request.grounding) == ("1:1", False)


async def test_the_history_calls_it_by_its_prompt(lab: Any) -> None:
    made = await lab.carry_out(ALICE, blend_images(PAIR, ImageSettings(), prompt="side by side"))

    assert (made.picture.mode, made.picture.prompt) == ("blend", "side by side")
    assert [picture.id for picture in (await lab.history(mode="blend")).pictures] == [made.picture.id]


async def test_without_a_prompt_the_lab_has_one(lab: Any) -> None:
    made = await lab.carry_out(ALICE, blend_images(PAIR, ImageSettings()))

    assert lab.model.requests[0].prompt == made.picture.prompt == DEFAULT_PROMPT


async def test_the_callers_key_pays(lab: Any) -> None:
    caller = type(ALICE)(owner=ALICE.owner, api_key=ApiKey("own-key"))
    await lab.carry_out(caller, blend_images(PAIR, ImageSettings()))

    assert (lab.model.requests, [each.api_key.reveal() for each in lab.keyed.requests]) == ([], ["own-key"])


@pytest.mark.parametrize(
    ("inputs", "prompt", "field"),
    [
        (PAIR[:1], None, "images"),
        (PAIR * 8, None, "images"),
        (PAIR, "   ", "blend_prompt"),
        (PAIR, "x" * 2001, "blend_prompt"),
    ],
    ids=["one picture", "16 pictures", "a blank prompt", "a long prompt"],
)
async def test_bad_input_is_named_and_nobody_is_asked(lab: Any, inputs: Any, prompt: str | None, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await lab.carry_out(ALICE, blend_images(inputs, ImageSettings(), prompt=prompt))

    assert [error.field for error in caught.value.errors] == [field]
    assert (lab.model.requests, await lab.files()) == ([], [])


async def test_one_bad_picture_is_enough_to_ask_nobody(lab: Any) -> None:
    with pytest.raises(InvalidImage):
        await lab.carry_out(ALICE, blend_images([*PAIR, SentPicture(data=b"no", field="images.2")], ImageSettings()))

    assert (lab.model.requests, await lab.files()) == ([], [])
