"""A picture that rests on what the web says."""

from typing import Any

import pytest
from tests.core.input_labs import ALICE

from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.search_and_generate import search_and_generate
from nano_banana_lab.core.history.grounding import Grounding, Source
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.testing.scripted_image_model import striped_png

FOUND = Grounding(
    queries=("weather Lisbon",),
    sources=(Source(uri="https://weather.test", title="Weather"),),
    search_suggestions_html="<b>weather</b>",
)


async def test_the_model_may_search_and_otherwise_it_may_not(lab: Any) -> None:
    await lab.carry_out(ALICE, search_and_generate("the weather in Lisbon", ImageSettings()))
    await lab.generate("the weather in Lisbon")

    assert [(request.grounding, request.prompt) for request in lab.model.requests] == [
        (True, "the weather in Lisbon"),
        (False, "the weather in Lisbon"),
    ]


async def test_what_to_search_for_is_said_after_the_prompt(lab: Any) -> None:
    made = await lab.carry_out(
        ALICE, search_and_generate(" a chart ", ImageSettings(), search_context=" weather in Lisbon ")
    )

    assert lab.model.requests[0].prompt == "a chart\n\nSearch the web for this first: weather in Lisbon"
    assert (made.picture.mode, made.picture.prompt) == ("search", "a chart")


async def test_what_was_found_is_kept_for_its_owner_alone(lab: Any) -> None:
    lab.model.then(
        GeneratedImage(
            data=striped_png(8, 8), mime_type="image/png", model="scripted", model_version="scripted", grounding=FOUND
        )
    )
    made = await lab.carry_out(ALICE, search_and_generate("a chart", ImageSettings()))

    assert made.answer.grounding == FOUND
    assert (await lab.find.one(ALICE.owner, made.picture.id)).grounding == FOUND
    assert (await lab.history(OwnerId("bob"))).total == 0


@pytest.mark.parametrize(
    ("prompt", "context", "field"),
    [("", None, "prompt"), ("x", " ", "search_context"), ("x", "y" * 2001, "search_context")],
)
async def test_bad_input_is_named_and_nobody_is_asked(lab: Any, prompt: str, context: str | None, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await lab.carry_out(ALICE, search_and_generate(prompt, ImageSettings(), search_context=context))

    assert ([field], []) == ([error.field for error in caught.value.errors], lab.model.requests)
