"""One picture in the style of another, or of a description."""

from typing import Any

import pytest
from tests.core.input_labs import ALICE, sent

from nano_banana_lab.core.generation.image_request import ImageSettings, PicturePart, TextPart
from nano_banana_lab.core.generation.input_pictures import StoredPicture
from nano_banana_lab.core.generation.transfer_style import transfer_style
from nano_banana_lab.core.history.picture import ImageNotFound
from nano_banana_lab.core.shared.errors import ValidationFailed

CONTENT, STYLE = sent("content", "content_image"), sent("style", "style_image")


async def asked(lab: Any, **given: Any) -> tuple[list[bytes], str]:
    """The pictures that the model is given, in order, and what it is told last."""
    await lab.carry_out(ALICE, transfer_style(CONTENT, ImageSettings(), **given))
    *pictures, text = lab.model.requests[0].turns[0].parts
    assert all(isinstance(each, PicturePart) for each in pictures)
    assert isinstance(text, TextPart)
    return [each.data for each in pictures], text.text


async def test_a_style_in_words_goes_with_the_picture(lab: Any) -> None:
    pictures, text = await asked(lab, prompt=" woodcut ")

    assert [CONTENT.data] == pictures
    assert text.endswith("Style: woodcut")


async def test_a_style_picture_comes_second(lab: Any) -> None:
    pictures, text = await asked(lab, style=STYLE)

    assert [CONTENT.data, STYLE.data] == pictures
    assert "the first picture" in text
    assert "the style of the second picture" in text


async def test_words_and_a_style_picture_go_together(lab: Any) -> None:
    pictures, text = await asked(lab, style=STYLE, prompt="in three colours")

    assert [CONTENT.data, STYLE.data] == pictures
    assert text.endswith("in three colours")


async def test_the_history_calls_it_by_the_words_for_the_style(lab: Any) -> None:
    made = await lab.carry_out(ALICE, transfer_style(CONTENT, ImageSettings(), prompt="woodcut"))
    unnamed = await lab.carry_out(ALICE, transfer_style(CONTENT, ImageSettings(), style=STYLE))

    assert (made.picture.mode, made.picture.prompt) == ("style", "woodcut")
    assert "second picture" in unnamed.picture.prompt


@pytest.mark.parametrize(
    ("given", "field", "kind"),
    [
        ({}, "style_prompt", "style_missing"),
        ({"prompt": " ", "style": STYLE}, "style_prompt", "blank"),
        ({"prompt": "x" * 2001}, "style_prompt", "too_long"),
    ],
    ids=["nothing", "a blank prompt", "a long prompt"],
)
async def test_a_style_is_needed(lab: Any, given: dict[str, Any], field: str, kind: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await lab.carry_out(ALICE, transfer_style(CONTENT, ImageSettings(), **given))

    assert [(error.field, error.type) for error in caught.value.errors] == [(field, kind)]
    assert (lab.model.requests, await lab.files()) == ([], [])


async def test_a_style_picture_that_is_not_there_is_named(lab: Any) -> None:
    missing = StoredPicture(key="nothing", field="style_image_key")
    with pytest.raises(ImageNotFound) as caught:
        await lab.carry_out(ALICE, transfer_style(CONTENT, ImageSettings(), style=missing))

    assert (caught.value.details, lab.model.requests) == ({"field": "style_image_key"}, [])
