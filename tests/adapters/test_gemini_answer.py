"""Reading what Gemini answers, without a network: any bytes are a picture or one reason why not."""

import base64
import contextlib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.adapters.gemini.answer import read_answer
from nano_banana_lab.adapters.gemini.envelope import BLOCKED
from nano_banana_lab.adapters.gemini.inline_data import picture_type
from nano_banana_lab.adapters.gemini.rate_limits import rate_limit, seconds_until_quota_day
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import PicturePart, TextPart
from nano_banana_lab.core.generation.ports import ContentBlocked, GenerationError, NoImage, UpstreamFailed
from nano_banana_lab.testing.gemini.pictures import jpeg

JPEG = jpeg((8, 8), "small")


def read(*parts, **candidate) -> GeneratedImage:
    answer = {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}
    return read_answer(msgspec.json.encode(answer), model="m", include_thinking=True)


def picture(data: bytes | str = JPEG, **further):
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}, **further}


def test_signatures_stay_on_their_parts_byte_for_byte():
    signature = bytes(range(256))
    answer = read({"text": "a", "thoughtSignature": signature}, picture(thoughtSignature=signature[::-1]))

    assert (
        TextPart(text="a", signature=signature),
        PicturePart(data=JPEG, mime_type="image/jpeg", signature=signature[::-1]),
    ) == answer.parts


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["=", ""])
@given(data=st.binary(max_size=40))
def test_both_alphabets_are_read_padded_or_not(encode, padding, data):
    text = encode(JPEG + data).decode().rstrip("=")
    text += padding * (-len(text) % 4)

    assert JPEG + data == read(picture(text)).data


def test_escaped_slashes_are_read():
    text = base64.b64encode(JPEG).decode().replace("/", "\\/").replace("=", "\\u003d")
    body = f'{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{text}"}}}}]}}}}]}}'

    assert read_answer(body.encode(), model="m", include_thinking=False).data == JPEG


@pytest.mark.parametrize("reason", sorted(BLOCKED))
def test_every_reason_that_means_a_filter_is_told_as_blocked(reason):
    with pytest.raises(ContentBlocked) as raised:
        read(finishReason=reason, finishMessage="why")

    assert {"reason": reason, "safety_ratings": [], "message": "why"} == raised.value.details


def test_a_picture_counts_whatever_the_finish_reason():
    assert read(picture(), finishReason="MAX_TOKENS").finish_reason == "MAX_TOKENS"


def test_a_very_long_refusal_is_shortened():
    with pytest.raises(NoImage) as raised:
        read({"text": "x" * 100_000})

    assert len(raised.value.details["text"]) == 2000


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"\xff\xfe", b"{", b'{"candidates": 5}'])
def test_what_is_no_answer_is_a_failure_of_the_service(body):
    with pytest.raises(UpstreamFailed):
        read_answer(body, model="m", include_thinking=False)


@pytest.mark.parametrize("body", [b"{}", b'{"candidates": []}', b'{"candidates": null, "promptFeedback": {}}'])
def test_an_answer_about_nothing_has_no_picture(body):
    with pytest.raises(NoImage):
        read_answer(body, model="m", include_thinking=False)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
JPEG_TEXT = st.just(base64.b64encode(JPEG).decode())


def maybe(**fields):
    return st.fixed_dictionaries({}, optional={name: each | ANYTHING for name, each in fields.items()})


PARTS = st.lists(
    maybe(
        text=st.text(),
        thought=st.booleans(),
        thoughtSignature=JPEG_TEXT,
        inlineData=maybe(data=JPEG_TEXT, mimeType=st.text()),
    ),
    max_size=3,
)
CANDIDATE = maybe(
    content=maybe(parts=PARTS),
    finishReason=st.sampled_from(["STOP", "SAFETY", "CONTINUATION", "MISSING_THOUGHT_SIGNATURE"]),
    finishMessage=st.text(),
    safetyRatings=st.lists(maybe(category=st.text(), blocked=st.booleans()), max_size=2),
    groundingMetadata=maybe(groundingChunks=st.lists(maybe(web=maybe(uri=st.text())), max_size=2)),
)
ANSWER = maybe(
    candidates=st.lists(CANDIDATE, max_size=2),
    promptFeedback=maybe(blockReason=st.text(), safetyRatings=ANYTHING),
    usageMetadata=maybe(candidatesTokensDetails=st.lists(maybe(modality=st.just("IMAGE")), max_size=2)),
    modelStatus=maybe(message=st.text()),
    modelVersion=st.text(),
)


@given(ANSWER | ANYTHING)
def test_any_json_is_a_picture_or_a_generation_error(answer):
    with contextlib.suppress(GenerationError):
        result = read_answer(msgspec.json.encode(answer), model="m", include_thinking=True)

        assert picture_type(result.data) == result.mime_type


@given(st.binary())
def test_any_bytes_are_a_generation_error(body):
    with pytest.raises(GenerationError):
        read_answer(body, model="m", include_thinking=True)


@pytest.mark.parametrize(
    ("start", "mime_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
    ],
)
def test_pictures_are_told_by_their_first_bytes(start, mime_type):
    assert mime_type == picture_type(start + b"....")


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 11, 22, 7, 0, tzinfo=UTC), 1),  # 23:00 in California, winter time
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), 24),  # midnight in summer time
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 25),  # the night the clocks go back
    ],
)
def test_the_quota_day_begins_at_midnight_in_california(now, hours):
    assert hours * 3600 == seconds_until_quota_day(now)


@pytest.mark.parametrize(
    ("limit", "reason"), [("limit: 0, model", "paid_only"), ("limit: 0.5", "rate"), ("limit: 10", "rate")]
)
def test_only_a_limit_of_zero_means_that_the_model_has_to_be_paid_for(limit, reason):
    assert reason == rate_limit(f"Quota exceeded, {limit}", []).details["reason"]


@pytest.mark.parametrize("blank", ["", " \n"])
def test_words_that_say_nothing_are_no_words(blank):
    answer = read({"text": blank, "thought": True}, {"text": blank}, picture())

    assert answer.text is None
    assert answer.thinking is None
