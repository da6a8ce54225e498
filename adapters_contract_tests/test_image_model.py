"""What every `ImageModel` promises, and the models that keep it.

A binding gives the suite a model that answers with pictures, and these hooks:
`never_answer` makes the calls to come wait for an answer that does not arrive, `until_asked` waits until one of them
does, and `payer_of` tells which key paid.
"""

import asyncio
from io import BytesIO

import pytest
from PIL import Image

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.adapters.sketch.image_model import SketchImageModel
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import (
    ImageRequest,
    ImageSettings,
    PicturePart,
    Resolution,
    Role,
    TextPart,
    Turn,
)
from nano_banana_lab.core.generation.ports import ImageModel
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import running_gemini
from nano_banana_lab.testing.gemini.requests import fingerprint
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel

MIME_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def decoded(result: GeneratedImage) -> Image.Image:
    picture = Image.open(BytesIO(result.data))
    picture.load()
    return picture


def asking(prompt: str = "a lighthouse at dawn", **settings) -> ImageRequest:
    return ImageRequest.from_prompt(prompt, ImageSettings(**settings))


def png(colour: str) -> PicturePart:
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return PicturePart(data=file.getvalue(), mime_type="image/png")


def key_of(prompt: str) -> str:
    return "key-of-" + prompt.replace(" ", "-")


class ImageModelContract:
    """The promises. A subclass provides the fixture `model` and, where the defaults do not fit, the hooks."""

    async def never_answer(self, model: ImageModel) -> None:
        """From now on no call gets an answer; for a model that waits for nobody there is nothing to do."""

    async def until_asked(self, model: ImageModel) -> None:
        """Return once the first call has reached whoever answers it."""
        await asyncio.sleep(0)

    def payer_of(self, model: ImageModel, prompt: str) -> str | None:
        """The key that paid for the picture of this prompt; None when nobody pays for pictures of this model."""
        return None

    async def test_answers_with_a_picture_that_decodes_and_is_what_it_says_it_is(self, model):
        result = await model.generate(asking())

        assert MIME_TYPES[decoded(result).format] == result.mime_type

    async def test_names_the_model_that_was_asked(self, model):
        result = await model.generate(asking())

        assert result.model == model.card.id
        assert result.model_version
        assert result.finish_reason == "STOP"

    async def test_words_beside_the_picture_are_absent_or_say_something(self, model):
        result = await model.generate(asking())

        assert result.text is None or result.text.strip()
        assert result.thinking is None or result.thinking.strip()

    async def test_the_last_picture_among_the_parts_is_the_result(self, model):
        result = await model.generate(asking())

        pictures = [part for part in result.parts if isinstance(part, PicturePart)]
        assert (result.data, result.mime_type) == (pictures[-1].data, pictures[-1].mime_type)

    async def test_every_aspect_ratio_on_the_card_gives_a_picture_of_that_shape(self, model):
        for ratio in model.card.aspect_ratios:
            width, height = decoded(await model.generate(asking(aspect_ratio=ratio))).size

            across, down = map(int, ratio.split(":"))
            assert width / height == pytest.approx(across / down, rel=0.05), ratio

    async def test_every_resolution_on_the_card_gives_a_larger_picture_than_the_one_before(self, model):
        results = [
            await model.generate(asking(resolution=each)) for each in Resolution if each in model.card.image_tokens
        ]

        longest_sides = [max(decoded(result).size) for result in results]
        assert longest_sides == sorted(set(longest_sides))

    async def test_the_card_refuses_what_it_does_not_list(self, model):
        with pytest.raises(ValidationFailed) as refused:
            model.card.check(ImageSettings(aspect_ratio="7:5"))

        assert [error.field for error in refused.value.errors] == ["settings.aspect_ratio"]

    async def test_the_card_stays_the_same(self, model):
        before = model.card

        await model.generate(asking())

        assert before == model.card

    async def test_a_picture_costs_something_unless_it_is_a_placeholder(self, model):
        result = await model.generate(asking())

        assert (model.card.cost_usd(result.usage) == 0) == model.card.placeholder

    async def test_takes_as_many_input_pictures_as_the_card_allows(self, model):
        parts = tuple(png(f"hsl({nth * 20}, 80%, 50%)") for nth in range(model.card.max_input_images))
        turn = Turn(role=Role.USER, parts=(TextPart(text="blend these"), *parts))

        result = await model.generate(ImageRequest(turns=(turn,)))

        assert decoded(result).size

    async def test_what_it_answered_can_be_replayed_to_it_in_a_conversation(self, model):
        first = asking("a red kite")
        answer = await model.generate(first)
        refine = Turn(role=Role.USER, parts=(TextPart(text="make it blue"),))

        result = await model.generate(
            ImageRequest(turns=(*first.turns, Turn(role=Role.MODEL, parts=answer.parts), refine))
        )

        assert decoded(result).size

    async def test_calls_at_the_same_time_are_paid_by_their_own_keys(self, model):
        prompts = [f"picture {nth}" for nth in range(8)]
        asked = [ImageRequest.from_prompt(prompt, api_key=ApiKey(key_of(prompt))) for prompt in prompts]

        results = await asyncio.gather(*map(model.generate, asked))

        payers = [None if model.card.placeholder else key_of(prompt) for prompt in prompts]
        assert all(result.data for result in results)
        assert payers == [self.payer_of(model, prompt) for prompt in prompts]

    async def test_a_cancelled_call_ends_at_once(self, model):
        await self.never_answer(model)
        call = asyncio.create_task(model.generate(asking()))
        await self.until_asked(model)

        call.cancel()

        async with asyncio.timeout(30):  # only so that a broken promise fails instead of hanging
            with pytest.raises(asyncio.CancelledError):
                await call

    async def test_calls_go_on_after_one_was_cancelled(self, model):
        call = asyncio.create_task(model.generate(asking()))
        await self.until_asked(model)
        call.cancel()
        await asyncio.wait([call])

        assert decoded(await model.generate(asking())).size

    async def test_check_returns_when_the_model_can_be_reached(self, model):
        assert await model.check() is None

    async def test_warming_up_is_fine_at_any_time_and_any_number_of_times(self, model):
        await asyncio.gather(model.warm_up(), model.warm_up())
        await model.generate(asking())
        await model.warm_up()

        assert await model.check() is None


class TestSketchImageModel(ImageModelContract):
    @pytest.fixture
    def model(self):
        return SketchImageModel()


class TestScriptedImageModel(ImageModelContract):
    @pytest.fixture
    def model(self):
        return ScriptedImageModel()

    async def never_answer(self, model):
        model.hold()

    async def until_asked(self, model):
        await model.calls_begun(1)

    def payer_of(self, model, prompt):
        return next(request.api_key.reveal() for request in model.requests if request.prompt == prompt)


@pytest.fixture(scope="module")
def double():
    with running_gemini() as double:
        yield double


class TestGeminiImageModel(ImageModelContract):
    """The real google-genai client against the HTTP double."""

    @pytest.fixture
    async def model(self, double):
        double.clear()
        self.double = double
        model = GeminiImageModel(api_key=ApiKey("operator"), model_id="gemini-3-pro-image", base_url=double.url)
        yield model
        await model.aclose()
        double.clear()

    async def never_answer(self, model):
        self.double.script("[[hold forever]]")

    async def until_asked(self, model):
        await self.double.until(lambda seen: len(seen) > 0)

    def payer_of(self, model, prompt):
        seen = next(request.key_sha256 for request in self.double.requests if request.prompt == prompt)
        return key_of(prompt) if seen == fingerprint(key_of(prompt)) else "somebody else's"
