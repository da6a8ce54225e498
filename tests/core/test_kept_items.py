"""What is kept of an item, now and by the version before."""

from typing import Any

import msgspec
import pytest
from tests.core.input_labs import sent
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.search_and_generate import search_and_generate
from nano_banana_lab.core.generation.transfer_style import transfer_style
from nano_banana_lab.core.storage.operations import Put
from nano_banana_lab.core.tasks.task import Item, decode_item, encode

SETTINGS = ImageSettings()
PROMPT = "a corgi in a teacup"

BEFORE = (
    b'{"index":0,"commission":{"mode":"search","prompt":"a corgi","text":"%s","pictures":[],'
    b'"settings":{"aspect_ratio":"16:9","resolution":"1K","safety_level":"moderate"},"grounding":true,"include_thinking":false},'
    b'"status":"queued","attempt":1,"reservation":null,"run":"","started_at":null,"finished_at":null,"picture_id":null,'
    b'"failure":null,"schema":1}'
)


@pytest.mark.parametrize(
    "commission",
    [
        generate_image(PROMPT, SETTINGS),
        search_and_generate(PROMPT, SETTINGS),
        blend_images([sent("one"), sent("two")], SETTINGS, prompt=PROMPT),
    ],
    ids=lambda commission: str(commission.mode),
)
def test_words_are_kept_once(commission: Commission) -> None:
    commission = msgspec.structs.replace(commission, pictures=())

    assert encode(Item(index=0, commission=commission)).count(PROMPT.encode()) == 1


def test_an_instruction_that_names_the_picture_is_kept_once() -> None:
    commission = transfer_style(sent("one"), SETTINGS, style=sent("two"))

    assert (commission.text, commission.prompt.count("in the style of")) == (None, 1)


@pytest.mark.parametrize(
    "commission",
    [search_and_generate(PROMPT, SETTINGS, search_context="Lisbon"), generate_image(PROMPT, SETTINGS)],
    ids=["in other words", "in these words"],
)
def test_what_is_kept_is_read_back(commission: Commission) -> None:
    item = Item(index=0, commission=commission)

    assert decode_item(encode(item)) == item


@pytest.mark.parametrize("text", ["a corgi", "a corgi, as of today"])
async def test_an_item_of_the_version_before_is_made(open_lab: Any, text: str) -> None:
    tasks = Tasks(lab=open_lab())
    task = await tasks.batch("another")
    name = task.item_name(0)
    await tasks.lab.key_values.commit(Put(key=name.key, value=BEFORE % text.encode()))
    done = await tasks.worked_off(task)

    assert [item.status.value for item in done.items] == ["completed"]
    [request] = tasks.lab.model.requests
    assert (request.turns[0].parts[-1].text, await tasks.lab.prompts(ALICE)) == (text, ["a corgi"])
