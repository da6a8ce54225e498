"""A lab that has just been started first says that it is there, and then loads what takes long."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel


class WarmingModel(ScriptedImageModel):
    """Says when it has been told to warm up."""

    def __init__(self) -> None:
        super().__init__()
        self.warmed = asyncio.Event()

    async def warm_up(self) -> None:
        self.warmed.set()


async def test_what_takes_long_to_load_waits_for_the_first_answer(
    open_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.main.app.SECONDS_TO_BE_ASKED", 3600)
    model = WarmingModel()
    async with open_service(model=model) as service:
        for _ in range(100):  # turns of the event loop, in which it could have begun
            await asyncio.sleep(0)
        warmed_before = model.warmed.is_set()
        await service.client.get("/api/health/ready")
        await model.warmed.wait()

    assert not warmed_before


async def test_a_lab_that_nobody_asks_gets_to_work_all_the_same(open_service: Any) -> None:
    model = WarmingModel()
    async with open_service(model=model):
        await model.warmed.wait()

    assert model.warmed.is_set()
