"""Pictures that a request brings along cost the lab something, so they are looked at last."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.core.input_labs import ALICE, sent

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.generation.search_and_generate import search_and_generate
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import PoolExhausted
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.testing.scripted_image_model import SCRIPTED_CARD, ScriptedImageModel

BOB = OwnerId("bob")
PAIR = [sent("one"), sent("two", "images.1")]
BROKEN = [sent("one"), type(PAIR[0])(data=b"no picture", field="images.1")]


async def test_whom_the_trial_refuses_has_no_picture_looked_at(open_lab: Any) -> None:
    lab = open_lab(policy=QuotaPolicy(enabled=True, global_points=1))
    with pytest.raises(PoolExhausted):
        await lab.carry_out(ALICE, blend_images(BROKEN, ImageSettings()))


async def test_a_picture_that_is_no_use_costs_nothing(open_lab: Any) -> None:
    lab = open_lab(policy=QuotaPolicy(enabled=True))
    with pytest.raises(InvalidImage):
        await lab.carry_out(ALICE, blend_images(BROKEN, ImageSettings()))

    usage = await lab.usage(ALICE.owner)
    assert (usage.points, usage.pictures["blend"], usage.cooldown_remaining) == (0, 0, 0)


async def settle() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


async def test_who_loads_pictures_holds_up_nobody_who_does_not(open_lab: Any) -> None:
    lab = open_lab()
    async with lab.loading_room.place(BOB), lab.loading_room.place(BOB):
        blend = asyncio.create_task(lab.carry_out(ALICE, blend_images(PAIR, ImageSettings())))
        await lab.generate("a corgi")
        waiting = not blend.done()

    assert (waiting, (await blend).picture.mode) == (True, "blend")


async def test_only_a_few_have_loaded_what_they_cannot_send_yet(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=1, waiting=8))
    async with lab.admission.place(BOB):
        blends = [asyncio.create_task(lab.carry_out(ALICE, blend_images(PAIR, ImageSettings()))) for _ in range(5)]
        while lab.admission.waiting < 2:  # noqa: ASYNC110  decoding takes threads and no event tells of it
            await asyncio.sleep(0.001)
        await settle()

        assert (lab.admission.waiting, lab.loading_room.waiting) == (2, 3)
    assert len([await blend for blend in blends]) == 5


async def test_stopped_while_it_loads_nobody_is_asked(open_lab: Any) -> None:
    lab = open_lab()
    async with lab.loading_room.place(BOB), lab.loading_room.place(BOB):
        blend = asyncio.create_task(lab.carry_out(ALICE, blend_images(PAIR, ImageSettings())))
        await settle()
        lab.paid_calls.close()
    with pytest.raises(ShuttingDown):
        await blend

    assert lab.model.requests == []


@pytest.mark.parametrize(
    ("card", "commission", "wrong"),
    [
        ({"grounding": False}, search_and_generate("the weather", ImageSettings()), ("", "no_search")),
        ({"max_input_images": 3}, blend_images([*PAIR, *PAIR], ImageSettings()), ("images.1", "too_many")),
    ],
    ids=["search", "pictures"],
)
async def test_what_the_model_does_not_offer_is_refused_before_anything_is_paid(
    open_lab: Any, card: Any, commission: Any, wrong: tuple[str, str]
) -> None:
    model = ScriptedImageModel(card=msgspec.structs.replace(SCRIPTED_CARD, **card))
    lab = open_lab(model=model, policy=QuotaPolicy(enabled=True, global_points=0))
    with pytest.raises(ValidationFailed) as caught:
        await lab.carry_out(ALICE, commission)

    assert [(error.field, error.type) for error in caught.value.errors] == [wrong]


async def test_a_placeholder_may_pretend_to_search(open_lab: Any) -> None:
    card = msgspec.structs.replace(SCRIPTED_CARD, grounding=False, placeholder=True)
    made = await open_lab(model=ScriptedImageModel(card=card)).carry_out(
        ALICE, search_and_generate("the weather", ImageSettings())
    )

    assert made.picture.mode == "search"
