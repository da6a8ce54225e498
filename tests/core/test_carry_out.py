"""Pictures that a request brings along cost the lab something, so they are looked at last."""

import asyncio
from typing import Any

import pytest
from tests.core.input_labs import ALICE, sent

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import PoolExhausted

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


async def test_who_waits_for_a_place_has_no_picture_in_memory_yet(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=1, waiting=1))
    async with lab.admission.place(ALICE.owner):
        waiting = asyncio.create_task(lab.carry_out(ALICE, blend_images(BROKEN, ImageSettings())))
        for _ in range(20):
            await asyncio.sleep(0)

        assert (lab.admission.waiting, waiting.done()) == (1, False)
    with pytest.raises(InvalidImage):
        await waiting
