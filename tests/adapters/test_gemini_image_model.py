"""Gemini through the real google-genai client, against the HTTP double: what a picture comes with."""

import hashlib
import io
from collections.abc import AsyncIterator, Iterator

import pytest
from PIL import Image

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.core.generation.image_request import (
    ImageRequest,
    ImageSettings,
    PicturePart,
    Resolution,
    Role,
    SafetyLevel,
    TextPart,
    Turn,
)
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.gemini.pictures import CONTENT_CREDENTIALS, jpeg


@pytest.fixture(scope="module")
def double() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


@pytest.fixture
async def model(double: GeminiDouble) -> AsyncIterator[GeminiImageModel]:
    double.clear()
    model = GeminiImageModel(api_key=ApiKey("operator"), model_id="gemini-3-pro-image", base_url=double.url)
    yield model
    await model.aclose()


def config_of(double: GeminiDouble):
    return double.requests[-1].body["generationConfig"]


async def test_a_prompt_becomes_a_picture_of_the_size_that_was_asked_for(model):
    settings = ImageSettings(aspect_ratio="16:9", resolution=Resolution.TWO_K)

    picture = await model.generate(ImageRequest.from_prompt("a lighthouse", settings))

    assert picture.mime_type == "image/jpeg"
    assert Image.open(io.BytesIO(picture.data)).size == (2752, 1536)


async def test_the_bytes_are_those_google_sent_with_their_content_credentials(model):
    picture = await model.generate(ImageRequest.from_prompt("a lighthouse"))

    assert CONTENT_CREDENTIALS in picture.data


async def test_a_png_is_called_a_png(model):
    picture = await model.generate(ImageRequest.from_prompt("a lighthouse [[png]]"))

    assert picture.mime_type == "image/png"
    assert Image.open(io.BytesIO(picture.data)).format == "PNG"


async def test_the_type_is_read_from_the_bytes_and_not_from_the_label(model):
    picture = await model.generate(ImageRequest.from_prompt("a lighthouse [[mislabelled]]"))

    assert picture.mime_type == "image/jpeg"


async def test_base64_in_the_url_safe_alphabet_gives_the_same_bytes(model):
    urlsafe = await model.generate(ImageRequest.from_prompt("one [[urlsafe]]"))

    assert Image.open(io.BytesIO(urlsafe.data)).format == "JPEG"
    assert all(part.signature for part in urlsafe.parts)


async def test_a_picture_of_26_megabytes_of_json_arrives_whole(model):
    settings = ImageSettings(resolution=Resolution.FOUR_K)

    picture = await model.generate(ImageRequest.from_prompt("a city [[big]]", settings))

    assert len(picture.data) > 19_500_000
    assert Image.open(io.BytesIO(picture.data)).size == (5504, 3072)


async def test_of_several_pictures_the_last_one_counts_and_all_are_kept_as_parts(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat [[three-images]]"))

    pictures = [part.data for part in picture.parts if isinstance(part, PicturePart)]
    assert len(set(pictures)) == 3
    assert pictures[-1] == picture.data


async def test_thoughts_are_told_when_asked_for_and_are_never_the_picture_or_a_part(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat", include_thinking=True))
    plain = await model.generate(ImageRequest.from_prompt("a cat"))

    assert picture.thinking == "**Composing**"
    assert plain.data == picture.data
    assert len(picture.parts) == 2


async def test_thoughts_nobody_asked_for_are_not_told(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat [[thoughts]]"))

    assert picture.thinking is None
    assert picture.text == "Here is your picture."


async def test_texts_before_and_after_the_picture_are_joined(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat [[text-after]]"))

    assert picture.text == "Here is your picture. Do you like it?"


async def test_a_picture_without_words_has_no_text(model):
    assert (await model.generate(ImageRequest.from_prompt("a cat [[no-text]]"))).text is None


async def test_tokens_are_counted_as_google_counts_them(model):
    settings = ImageSettings(resolution=Resolution.FOUR_K)

    usage = (await model.generate(ImageRequest.from_prompt("four", settings))).usage

    assert (
        usage.prompt_tokens,
        usage.output_tokens,
        usage.image_tokens,
        usage.thinking_tokens,
        usage.total_tokens,
    ) == (3, 2324, 2000, 748, 3075)


async def test_searches_and_their_sources_come_with_a_grounded_picture(model):
    picture = await model.generate(ImageRequest.from_prompt("the final", grounding=True))

    assert picture.grounding is not None
    assert picture.grounding.queries == ("euro 2024 final score", "berlin olympic stadium")
    assert [source.title for source in picture.grounding.sources] == ["uefa.com", "Berlin"]
    assert (picture.grounding.search_suggestions_html or "").startswith("<style>")
    assert picture.usage.search_queries == 2


async def test_nothing_is_searched_unless_asked(model, double):
    picture = await model.generate(ImageRequest.from_prompt("the final"))

    assert picture.grounding is None
    assert "tools" not in double.requests[-1].body


async def test_an_odd_finish_reason_costs_nobody_a_picture(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat [[unknown-finish]]"))

    assert picture.finish_reason == "SOMETHING_NEW"


async def test_odd_footnotes_cost_nobody_a_picture(model):
    picture = await model.generate(ImageRequest.from_prompt("a cat [[odd-footnotes]]"))

    assert picture.mime_type == "image/jpeg"
    assert picture.usage.total_tokens == 0


async def test_a_retirement_notice_is_logged(model, caplog):
    await model.generate(ImageRequest.from_prompt("a cat [[retiring]]"))

    assert "2027-01-31" in caplog.text


async def test_the_request_names_ratio_size_and_both_kinds_of_answer(model, double):
    await model.generate(ImageRequest.from_prompt("a cat", ImageSettings(aspect_ratio="21:9")))

    assert config_of(double)["imageConfig"] == {"aspectRatio": "21:9", "imageSize": "1K"}
    assert config_of(double)["responseModalities"] == ["TEXT", "IMAGE"]
    assert "thinkingConfig" not in config_of(double)


async def test_the_service_is_told_how_long_it_may_take(model, double):
    await model.generate(ImageRequest.from_prompt("a cat", ImageSettings(resolution=Resolution.FOUR_K)))

    assert double.requests[-1].headers["x-server-timeout"] == "600"
    assert double.requests[-1].path == "/v1beta/models/gemini-3-pro-image:generateContent"


async def test_a_deadline_under_ten_seconds_is_ours_alone(double):
    double.clear()
    model = GeminiImageModel(
        api_key=ApiKey("k"), model_id="gemini-3-pro-image", base_url=double.url, timeouts={Resolution.ONE_K: 5}
    )
    await model.generate(ImageRequest.from_prompt("a cat"))
    await model.aclose()

    assert double.requests[-1].headers["x-server-timeout"] == "10"


@pytest.mark.parametrize(
    ("level", "threshold"),
    [
        (SafetyLevel.STRICT, "BLOCK_LOW_AND_ABOVE"),
        (SafetyLevel.MODERATE, "BLOCK_MEDIUM_AND_ABOVE"),
        (SafetyLevel.RELAXED, "BLOCK_ONLY_HIGH"),
        (SafetyLevel.NONE, "BLOCK_NONE"),
    ],
)
async def test_the_safety_level_is_a_threshold_on_all_four_categories(model, double, level, threshold):
    await model.generate(ImageRequest.from_prompt("a cat", ImageSettings(safety_level=level)))

    settings = double.requests[-1].body["safetySettings"]
    assert {threshold} == {setting["threshold"] for setting in settings}
    assert len({setting["category"] for setting in settings}) == 4


async def test_input_pictures_reach_google_byte_for_byte_and_in_order(model, double):
    cat, dog = jpeg((640, 480), "cat", padding=700_000), jpeg((480, 640), "dog")
    parts = (
        TextPart(text="blend"),
        PicturePart(data=cat, mime_type="image/jpeg"),
        TextPart(text="with"),
        PicturePart(data=dog, mime_type="image/jpeg"),
    )
    await model.generate(ImageRequest(turns=(Turn(role=Role.USER, parts=parts),)))

    sent = double.requests[-1].body["contents"][0]["parts"]
    assert [part["text"] for part in sent if "text" in part] == ["blend", "with"]
    assert [sha256(cat), sha256(dog)] == [part["inlineData"]["data"] for part in sent if "inlineData" in part]
    assert sent[1]["inlineData"]["mimeType"] == "image/jpeg"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_checking_asks_for_the_model_and_generates_nothing(model, double):
    await model.check()

    assert [(seen.method, seen.path) for seen in double.requests] == [("GET", "/v1beta/models/gemini-3-pro-image")]


async def test_warming_up_sends_nothing(model, double):
    await model.warm_up()

    assert double.requests == []
