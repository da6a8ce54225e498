"""The doubles that ship for anyone's tests: they do what they are told and remember what they saw."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO

import pytest
from PIL import Image

from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest, ImageSettings, Resolution
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.generation.ports import ContentBlocked, NoImage
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel, striped_png

KITE = ImageRequest.from_prompt("a kite")


async def test_plays_the_script_in_order_and_default_pictures_after_it():
    whole = GeneratedImage(data=b"whole", mime_type="image/webp", model="other", model_version="1")
    model = ScriptedImageModel([b"bytes", whole])

    results = [await model.generate(KITE) for _ in range(3)]

    assert [result.data for result in results[:2]] == [b"bytes", b"whole"]
    assert whole is results[1]
    assert Image.open(BytesIO(results[2].data)).format == "PNG"


async def test_raises_the_errors_of_the_script():
    model = ScriptedImageModel([ContentBlocked(reason="SAFETY")])
    model.then(NoImage())

    with pytest.raises(ContentBlocked):
        await model.generate(KITE)
    with pytest.raises(NoImage):
        await model.generate(KITE)


async def test_a_step_may_be_a_function_of_the_request():
    async def later(request: ImageRequest) -> bytes:
        return request.prompt.upper().encode()

    model = ScriptedImageModel([lambda request: request.prompt.encode(), later])

    assert (await model.generate(KITE)).data == b"a kite"
    assert (await model.generate(KITE)).data == b"A KITE"


@pytest.mark.parametrize("resolution", list(Resolution))
async def test_default_pictures_have_the_size_asked_for(resolution):
    asked = ImageSettings(aspect_ratio="1:1", resolution=resolution)

    picture = Image.open(BytesIO((await ScriptedImageModel().generate(ImageRequest.from_prompt("a", asked))).data))
    picture.load()

    side = {"1K": 1024, "2K": 2048, "4K": 4096}[resolution]
    assert (side, side) == picture.size


async def test_no_two_default_pictures_are_equal():
    model = ScriptedImageModel()

    pictures = [await model.generate(KITE) for _ in range(5)]

    assert len({picture.data for picture in pictures}) == 5


async def test_holds_calls_until_released_and_counts_them():
    model = ScriptedImageModel()
    model.hold()
    calls = [asyncio.create_task(model.generate(KITE)) for _ in range(3)]
    await model.calls_begun(3)

    held = [call.done() for call in calls]
    during = model.in_flight
    model.release()
    await asyncio.gather(*calls)

    assert held == [False, False, False]
    assert (during, model.in_flight, model.most_in_flight) == (3, 0, 3)


async def test_a_cancelled_call_is_no_longer_in_flight():
    model = ScriptedImageModel()
    model.hold()
    call = asyncio.create_task(model.generate(KITE))
    await model.calls_begun(1)

    call.cancel()
    await asyncio.wait([call])

    assert model.in_flight == 0


async def test_remembers_the_requests_it_saw():
    model = ScriptedImageModel([ContentBlocked(reason="SAFETY")])

    with pytest.raises(ContentBlocked):
        await model.generate(KITE)

    assert model.requests == [KITE]


async def test_takes_any_card():
    card = ModelCard(id="free", aspect_ratios=("16:9",), image_tokens={Resolution.ONE_K: 10})

    result = await ScriptedImageModel(card=card).generate(KITE)

    assert result.model == "free"
    assert (result.usage.image_tokens, card.cost_usd(result.usage)) == (10, 0)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1376, 768)])
def test_a_striped_png_is_one_that_others_can_read(size):
    picture = Image.open(BytesIO(striped_png(*size, note="call 1")))
    picture.load()

    assert size == picture.size
    assert picture.text == {"Comment": "call 1"}


def test_a_frozen_clock_stands_still_until_advanced():
    clock = FrozenClock()
    before = clock.now()

    unchanged = clock.now()
    clock.advance(1.5)

    assert before == unchanged
    assert before + timedelta(seconds=1.5) == clock.now()


def test_a_frozen_clock_tells_the_time_in_utc():
    noon_in_berlin = datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=1)))

    now = FrozenClock(noon_in_berlin).now()

    assert now == noon_in_berlin
    assert now.tzinfo is UTC


def test_a_frozen_clock_neither_guesses_a_time_zone_nor_goes_back():
    with pytest.raises(ValueError, match="time zone"):
        FrozenClock(datetime(2026, 11, 22))  # noqa: DTZ001  # the mistake in question
    with pytest.raises(ValueError, match="never goes back"):
        FrozenClock().advance(-1)
