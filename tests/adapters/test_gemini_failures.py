"""Every way in which Gemini can fail, each as exactly one error, and none of them paid for twice."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Iterator

import pytest
from google.genai.errors import APIError
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.adapters.gemini.failures import failure_of
from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.core.generation.image_request import ImageRequest, Resolution
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    NoImage,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini

KEY = "AIzaSy-operator-0123456789"


@pytest.fixture(scope="module")
def double() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


def model_at(url: str, model_id: str = "gemini-3-pro-image", **settings) -> GeminiImageModel:
    return GeminiImageModel(
        api_key=ApiKey(KEY), model_id=model_id, base_url=url, **{"retry_delays": (0.001, 0.001, 0.001), **settings}
    )


@pytest.fixture
async def model(double: GeminiDouble) -> AsyncIterator[GeminiImageModel]:
    double.clear()
    model = model_at(double.url)
    yield model
    await model.aclose()


async def failure(model: GeminiImageModel, prompt: str) -> GenerationError:
    with pytest.raises(GenerationError) as raised:
        await model.generate(ImageRequest.from_prompt(prompt))
    return raised.value


ONE_CALL = [
    ("[[400]]", UpstreamRejected, {"upstream_status": 400, "upstream_code": "INVALID_ARGUMENT"}),
    (
        "[[location]]",
        UpstreamRejected,
        {"upstream_status": 400, "upstream_code": "FAILED_PRECONDITION", "reason": "location"},
    ),
    (
        "[[input-image]]",
        UpstreamRejected,
        {"upstream_status": 400, "upstream_code": "INVALID_ARGUMENT", "reason": "input_image"},
    ),
    ("[[html-403]]", UpstreamRejected, {"upstream_status": 403}),
    ("[[bad-key]]", InvalidApiKey, {}),
    ("[[leaked-key]]", InvalidApiKey, {}),
    ("[[suspended-key]]", InvalidApiKey, {}),
    ("[[429]]", UpstreamRateLimited, {"reason": "rate"}),
    ("[[429-bare]]", UpstreamRateLimited, {"reason": "rate"}),
    ("[[429-daily]]", UpstreamRateLimited, {"reason": "daily"}),
    ("[[429-spend]]", UpstreamRateLimited, {"reason": "spending_cap"}),
    ("[[429-free]]", UpstreamRateLimited, {"reason": "paid_only"}),
    ("[[redirect]]", UpstreamFailed, {"upstream_status": 302}),
    ("[[empty]]", UpstreamFailed, {"reason": "empty_answer"}),
    ("[[garbage]]", UpstreamFailed, {"reason": "unreadable_answer"}),
    ("[[cut]]", UpstreamFailed, {"reason": "answer_lost"}),
    ("[[unreadable]]", UpstreamFailed, {"reason": "unreadable_picture"}),
    ("[[missing-signature]]", UpstreamRejected, {"reason": "thought_signature"}),
    ("[[refusal]]", NoImage, {"text": "I can't create that picture.", "finish_reason": "STOP"}),
    ("[[empty-parts]]", NoImage, {"finish_reason": "STOP"}),
    ("[[data-uri]]", NoImage, {"finish_reason": "STOP"}),
    ("[[no-image]]", NoImage, {"finish_reason": "NO_IMAGE"}),
    ("[[image-other]]", NoImage, {"finish_reason": "IMAGE_OTHER"}),
    ("[[max-tokens]]", NoImage, {"text": "Let me think about", "finish_reason": "MAX_TOKENS"}),
    ("[[continuation]]", NoImage, {"finish_reason": "CONTINUATION"}),
    ("[[no-image-finish NEVER_HEARD]]", NoImage, {"finish_reason": "NEVER_HEARD"}),
    ("[[thought-image]]", NoImage, {"text": "I could not finish."}),
    ("[[prompt-blocked]]", ContentBlocked, {"reason": "PROHIBITED_CONTENT"}),
    ("[[blocked]]", ContentBlocked, {"reason": "IMAGE_SAFETY"}),
    ("[[prohibited]]", ContentBlocked, {"reason": "IMAGE_PROHIBITED_CONTENT"}),
    ("[[recitation]]", ContentBlocked, {"reason": "IMAGE_RECITATION"}),
    ("[[no-image-finish SPII]]", ContentBlocked, {"reason": "SPII"}),
]


@pytest.mark.parametrize(("marker", "error", "details"), ONE_CALL)
async def test_what_would_not_pass_or_may_have_been_charged_is_one_call_and_one_error(
    model, double, marker, error, details
):
    raised = await failure(model, marker)

    assert error is type(raised)
    assert details == {name: raised.details.get(name) for name in details}
    assert len(double.requests) == 1


FOUR_CALLS = [
    ("[[500]]", {"upstream_status": 500}),
    ("[[503]]", {"upstream_status": 503}),
    ("[[504]]", {"upstream_status": 504}),
    ("[[html-502]]", {"upstream_status": 502}),
    ("[[disconnect]]", {"reason": "unreachable"}),
]


@pytest.mark.parametrize(("marker", "details"), FOUR_CALLS)
async def test_what_may_pass_is_tried_again_after_every_delay_and_then_reported(model, double, marker, details):
    raised = await failure(model, marker)

    assert UpstreamFailed is type(raised)
    assert details == raised.details
    assert len(double.requests) == 4


@pytest.mark.parametrize("marker", ["[[503 x2]]", "[[html-502 x2]]", "[[disconnect x2]]"])
async def test_the_third_try_may_succeed(model, double, marker):
    picture = await model.generate(ImageRequest.from_prompt(marker))

    assert picture.mime_type == "image/jpeg"
    assert len(double.requests) == 3


async def test_without_delays_there_is_one_try(double):
    double.clear()
    model = model_at(double.url, retry_delays=())
    await failure(model, "[[503]]")
    await model.aclose()

    assert len(double.requests) == 1


async def test_a_safety_refusal_says_what_was_judged_and_why(model):
    raised = await failure(model, "[[blocked]]")

    assert "Support code: 42876398" in raised.details["message"]
    assert raised.details["safety_ratings"][0] == {
        "category": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
        "probability": "HIGH",
        "blocked": True,
    }


async def test_the_finish_message_is_told_when_the_model_said_nothing_else(model):
    raised = await failure(model, "[[image-other]]")

    assert "You will not be charged" in raised.details["text"]


@pytest.mark.parametrize(("marker", "seconds"), [("[[429]]", 13.24), ("[[429-bare]]", None), ("[[429-spend]]", None)])
async def test_how_long_to_wait_is_what_google_said_and_nothing_else(model, marker, seconds):
    raised = await failure(model, marker)

    assert isinstance(raised, UpstreamRateLimited)
    assert seconds == raised.retry_after


async def test_a_spent_daily_quota_comes_back_at_midnight_in_california(model):
    raised = await failure(model, "[[429-daily]]")

    assert isinstance(raised, UpstreamRateLimited)
    assert 0 < (raised.retry_after or 0) <= 25 * 3600


@pytest.mark.parametrize(
    ("model_id", "successor"),
    [("gemini-3.1-flash-image", "gemini-nano-banana-2.1"), ("gemini-9-unheard-of", None)],
)
async def test_a_model_google_no_longer_has_names_its_successor_when_known(double, model_id, successor):
    model = model_at(double.url, model_id)
    raised = await failure(model, "a cat")
    await model.aclose()

    assert ModelRetired is type(raised)
    assert (model_id, successor) == (raised.details["model"], raised.details.get("successor"))


async def test_the_check_fails_like_a_generation_would(double):
    model = model_at(double.url, "gemini-3.1-flash-image")
    with pytest.raises(ModelRetired):
        await model.check()
    await model.aclose()


async def test_the_deadline_ends_a_call_that_takes_too_long(double):
    double.clear()
    model = model_at(double.url, timeouts={Resolution.ONE_K: 0.2})
    await model.warm_up()
    raised = await failure(model, "[[hold forever]]")
    await double.until(lambda seen: seen[0].hung_up)
    await model.aclose()

    assert UpstreamTimeout is type(raised)
    assert raised.details == {"timeout_seconds": 0.2}


async def test_the_deadline_bounds_all_tries_together(double):
    double.clear()
    model = model_at(double.url, timeouts={Resolution.ONE_K: 0.2}, retry_delays=(30,))
    await model.warm_up()
    raised = await failure(model, "[[503]]")
    await model.aclose()

    assert UpstreamTimeout is type(raised)
    assert len(double.requests) == 1


async def test_a_cancelled_caller_ends_the_call_at_once(model, double):
    call = asyncio.create_task(model.generate(ImageRequest.from_prompt("[[hold me]]")))
    await double.until(lambda seen: len(seen) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await double.until(lambda seen: seen[0].hung_up)

    assert double.requests[0].status is None


async def test_a_service_that_cannot_be_reached_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        url = f"http://127.0.0.1:{closed_soon.getsockname()[1]}"
    model = model_at(url)
    raised = await failure(model, "a cat")
    await model.aclose()

    assert raised.details == {"reason": "unreachable"}


@pytest.mark.parametrize("marker", ["[[suspended-key]]", "[[bad-key]]", "[[503]]", "[[disconnect]]", "[[429]]"])
async def test_no_key_and_no_upstream_body_is_in_an_error_or_a_log(model, caplog, marker):
    caplog.set_level("DEBUG")
    raised = await failure(model, marker)

    told = "".join(traceback.format_exception(raised))
    assert KEY not in told + repr(raised.details) + caplog.text
    assert raised.__cause__ is None
    assert raised.__context__ is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["9s", "limit: 0", "INTERNAL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
DETAIL = st.fixed_dictionaries({}, optional=dict.fromkeys(("reason", "violations", "retryDelay"), ANYTHING))
ERROR = st.fixed_dictionaries(
    {}, optional={"message": ANYTHING, "status": ANYTHING, "details": st.lists(DETAIL, max_size=3) | ANYTHING}
)


@given(st.integers(300, 599), ANYTHING | st.fixed_dictionaries({"error": ERROR}))
def test_any_error_body_is_some_generation_error(status, body):
    assert isinstance(failure_of(APIError(status, body), model="m"), GenerationError)
