"""A conversation: what the model made goes back to it exactly as it came."""

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest, PicturePart, Role, TextPart, Turn
from nano_banana_lab.core.generation.ports import UpstreamRejected
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.gemini.requests import RecordedRequest, decoded


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


def said(text: str) -> Turn:
    return Turn(role=Role.USER, parts=(TextPart(text=text),))


def followed_by(answer: GeneratedImage, text: str, key: str | None = None) -> ImageRequest:
    turns = (said("a cat"), Turn(role=Role.MODEL, parts=answer.parts), said(text))
    return ImageRequest(turns=turns, api_key=ApiKey(key) if key else None)


def signatures_in(request: RecordedRequest) -> list[bytes]:
    parts = request.body["contents"][1]["parts"]
    return [decoded(part["thoughtSignature"]) for part in parts if "thoughtSignature" in part]


def unsigned(answer: GeneratedImage, kind: type) -> GeneratedImage:
    parts = (msgspec.structs.replace(part, signature=None) if type(part) is kind else part for part in answer.parts)
    return msgspec.structs.replace(answer, parts=tuple(parts))


@pytest.mark.parametrize("marker", ["", "[[three-images]]", "[[thoughts]]", "[[text-after]]", "[[no-text]]"])
async def test_an_answer_is_accepted_back_with_every_signature_on_its_own_part(model, double, marker):
    answer = await model.generate(ImageRequest(turns=(said(f"a cat {marker}"),)))
    await model.generate(followed_by(answer, "now blue"))

    assert [part.signature for part in answer.parts if part.signature] == signatures_in(double.requests[-1])
    assert [turn["role"] for turn in double.requests[-1].body["contents"]] == ["user", "model", "user"]


async def test_a_conversation_goes_on_for_several_turns(model):
    turns = [said("a cat")]
    for wish in ("now blue", "now with a hat", "now at night"):
        answer = await model.generate(ImageRequest(turns=tuple(turns)))
        turns += [Turn(role=Role.MODEL, parts=answer.parts), said(wish)]

    assert (await model.generate(ImageRequest(turns=tuple(turns)))).mime_type == "image/jpeg"


@pytest.mark.parametrize("kind", [PicturePart, TextPart])
async def test_without_its_signature_a_part_is_refused_in_a_way_that_chat_can_tell(model, kind):
    answer = await model.generate(ImageRequest(turns=(said("a cat"),)))
    with pytest.raises(UpstreamRejected) as raised:
        await model.generate(followed_by(unsigned(answer, kind), "now blue"))

    assert raised.value.details["reason"] == "thought_signature"


async def test_a_signature_of_another_key_is_refused_in_a_way_that_chat_can_tell(model):
    answer = await model.generate(ImageRequest(turns=(said("a cat"),)))
    with pytest.raises(UpstreamRejected) as raised:
        await model.generate(followed_by(answer, "now blue", key="another"))

    assert raised.value.details["reason"] == "thought_signature"


async def test_the_previous_picture_in_the_users_own_turn_needs_no_signature(model):
    answer = await model.generate(ImageRequest(turns=(said("a cat"),)))
    picture = PicturePart(data=answer.data, mime_type=answer.mime_type)
    edited = await model.generate(
        ImageRequest(turns=(Turn(role=Role.USER, parts=(picture, TextPart(text="now blue"))),), api_key=ApiKey("other"))
    )

    assert answer.data != edited.data
