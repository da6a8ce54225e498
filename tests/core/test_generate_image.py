"""From a prompt to a picture that is kept."""

import asyncio
import hashlib
import re
from typing import Any

import msgspec
import pytest

from nano_banana_lab.core.generation.admission import Admission, Overloaded
from nano_banana_lab.core.generation.generated_image import GeneratedImage, Usage
from nano_banana_lab.core.generation.image_request import Resolution, Role, TextPart
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    NoApiKey,
    NoImage,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from nano_banana_lab.core.history.picture import Mode, decode_picture
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.ports import StoreUnavailable, read_blob
from nano_banana_lab.testing.scripted_image_model import striped_png


def answer(data: bytes, **facts: Any) -> GeneratedImage:
    return GeneratedImage(data=data, mime_type="image/png", model="scripted", model_version="scripted-2", **facts)


async def nothing_is_left(lab: Any) -> bool:
    return (await lab.files(), (await lab.history()).total, (await lab.counted())["total_images"]) == ([], 0, 0)


async def test_a_prompt_becomes_a_picture(lab: Any) -> None:
    made = await lab.generate("a corgi in a teacup", aspect_ratio="1:1", resolution=Resolution.TWO_K)

    picture = made.picture
    assert (picture.owner, picture.mode, picture.prompt) == ("alice", Mode.BASIC, "a corgi in a teacup")
    assert (picture.aspect_ratio, picture.resolution) == ("1:1", "2K")
    assert (picture.width, picture.height, picture.mime_type) == (2048, 2048, "image/png")
    assert picture.created_at == lab.clock.now()
    assert picture.matches_request


async def test_the_bytes_are_kept_as_the_model_made_them(lab: Any) -> None:
    made = await lab.generate()

    assert await read_blob(lab.blobs, made.picture.key) == made.answer.data
    assert made.picture.sha256 == hashlib.sha256(made.answer.data).hexdigest()
    assert made.picture.size_bytes == len(made.answer.data)
    assert (await lab.blobs.head(made.picture.key)).content_type == "image/png"


async def test_beside_the_picture_stands_a_sidecar_with_the_whole_record(lab: Any) -> None:
    made = await lab.generate()
    sidecar = made.picture.key.removesuffix(".png") + ".json"

    assert await lab.files() == [sidecar, made.picture.key]
    assert decode_picture(await read_blob(lab.blobs, sidecar)) == made.picture
    assert (await lab.blobs.head(sidecar)).content_type == "application/json"


async def test_a_picture_is_filed_under_its_owner_and_day_and_an_unguessable_name(lab: Any) -> None:
    made = await lab.generate()

    assert re.fullmatch(r"users/alice/2026/11/22/120000-[0-9a-f]{32}\.png", made.picture.key)
    assert made.picture.id in made.picture.filename
    assert made.picture.filename == made.picture.key.rpartition("/")[2]


async def test_the_picture_is_in_the_history_and_in_the_statistics(lab: Any) -> None:
    made = await lab.generate()

    assert await lab.find.one(made.picture.owner, made.picture.id) == made.picture
    assert (await lab.history()).pictures == (made.picture,)
    assert await lab.counted() == await lab.counted_again()


async def test_two_pictures_of_one_prompt_are_two_pictures(lab: Any) -> None:
    first, second = await asyncio.gather(lab.generate("same"), lab.generate("same"))

    assert first.picture.id != second.picture.id
    assert (await lab.history()).total == 2


async def test_the_model_is_asked_for_exactly_what_the_caller_wants(lab: Any) -> None:
    await lab.generate("  a corgi \n", aspect_ratio="9:16", resolution=Resolution.FOUR_K)

    (asked,) = lab.model.requests
    assert [(turn.role, turn.parts) for turn in asked.turns] == [(Role.USER, (TextPart(text="a corgi"),))]
    assert (asked.settings.aspect_ratio, asked.settings.resolution) == ("9:16", "4K")
    assert (asked.grounding, asked.include_thinking, asked.api_key) == (False, False, None)


async def test_thinking_is_asked_for_only_on_request(lab: Any) -> None:
    await lab.generate()
    await lab.generate(include_thinking=True)

    assert [asked.include_thinking for asked in lab.model.requests] == [False, True]


async def test_text_and_thoughts_are_kept_with_the_picture(lab: Any) -> None:
    lab.model.then(answer(striped_png(8, 8), text="Here it is.", thinking="A corgi, then."))
    made = await lab.generate(include_thinking=True)

    kept = await lab.find.one(made.picture.owner, made.picture.id)
    assert (kept.text_response, kept.thinking) == ("Here it is.", "A corgi, then.")
    assert (kept.model, kept.model_version) == ("scripted", "scripted-2")


async def test_a_callers_key_pays_the_keyed_model(lab: Any) -> None:
    key = ApiKey("callers-own-key")
    await lab.generate(api_key=key)

    assert lab.model.requests == []
    assert [asked.api_key for asked in lab.keyed.requests] == [key]


async def test_a_callers_key_is_in_nothing_that_is_stored(lab: Any) -> None:
    made = await lab.generate(api_key=ApiKey("callers-own-key"))

    stored = [await read_blob(lab.blobs, key) for key in await lab.files()]
    assert not any(b"callers-own-key" in data for data in stored)
    with pytest.raises(TypeError):
        msgspec.json.encode(made.request.api_key)


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u3000\u00a0"])
async def test_a_blank_prompt_is_refused(lab: Any, blank: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await lab.generate(blank)

    assert [(error.field, error.type) for error in refused.value.errors] == [("prompt", "blank")]
    assert lab.model.requests == []


async def test_2001_characters_are_refused(lab: Any) -> None:
    with pytest.raises(ValidationFailed, match="At most 2000 characters"):
        await lab.generate("x" * 2001)

    assert lab.model.requests == []


@pytest.mark.parametrize("prompt", ["x" * 2000, "\n" + "ü" * 2000 + "   ", "🍌" * 2000])
async def test_2000_characters_after_trimming_are_fine(lab: Any, prompt: str) -> None:
    made = await lab.generate(prompt)

    assert made.picture.prompt == prompt.strip()


async def test_settings_that_the_model_lacks_are_refused_by_name(lab: Any) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await lab.generate(aspect_ratio="7:1")

    assert [(error.field, error.type) for error in refused.value.errors] == [
        ("settings.aspect_ratio", "unsupported_choice")
    ]
    assert "16:9" in refused.value.errors[0].message
    assert lab.model.requests == []


async def test_settings_are_judged_by_the_model_that_will_be_paid(lab: Any) -> None:
    lab.keyed._card = msgspec.structs.replace(lab.keyed.card, image_tokens={Resolution.ONE_K: 1120})

    with pytest.raises(ValidationFailed):
        await lab.generate(resolution=Resolution.FOUR_K, api_key=ApiKey("callers-own-key"))
    assert (await lab.generate(resolution=Resolution.FOUR_K)).picture.resolution == "4K"


@pytest.mark.parametrize("store", ["key_values", "blobs"])
async def test_while_a_store_is_down_nothing_is_asked_of_the_model(
    open_lab: Any, unreliable: Any, mishap: Any, store: str
) -> None:
    lab = open_lab()
    lab = open_lab(**{store: unreliable(getattr(lab, store), mishap(StoreUnavailable(store), "ping"))})

    with pytest.raises(StoreUnavailable):
        await lab.generate()
    assert lab.model.requests == []


@pytest.mark.parametrize(
    "error",
    [
        ContentBlocked(reason="SAFETY"),
        NoImage(finish_reason="STOP", text="I would rather not."),
        NoApiKey(),
        InvalidApiKey(),
        UpstreamRateLimited(retry_after=7.5, reason="daily"),
        UpstreamFailed(upstream_status=503),
        UpstreamTimeout(timeout_seconds=180),
        UpstreamRejected(upstream_status=400),
        ModelRetired(model="gemini-0"),
        Overloaded(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_every_failure_of_the_model_passes_and_leaves_no_trace(lab: Any, error: GenerationError) -> None:
    lab.model.then(error)
    with pytest.raises(type(error)) as passed:
        await lab.generate()

    assert passed.value is error
    assert await nothing_is_left(lab)
    assert (await lab.generate()).picture.matches_request


async def test_bytes_that_are_no_picture_are_no_image(lab: Any) -> None:
    lab.model.then(answer(b"<html>sorry</html>", text="Sorry.", finish_reason="OTHER"))
    with pytest.raises(NoImage) as failed:
        await lab.generate()

    assert failed.value.details == {"finish_reason": "OTHER", "text": "Sorry."}
    assert await nothing_is_left(lab)


@pytest.mark.parametrize(
    ("width", "height", "matches"),
    [
        (1376, 768, True),
        (1344, 768, True),
        (1024, 1024, False),
        (768, 1376, False),
        (2752, 1536, False),
        (688, 384, False),
    ],
)
async def test_a_delivered_size_other_than_the_requested_is_flagged(
    lab: Any, width: int, height: int, *, matches: bool
) -> None:
    lab.model.then(striped_png(width, height))
    made = await lab.generate(aspect_ratio="16:9", resolution=Resolution.ONE_K)

    assert (made.picture.width, made.picture.height) == (width, height)
    assert made.picture.matches_request is matches


async def test_the_cost_is_reckoned_from_the_tokens_of_the_answer(lab: Any) -> None:
    usage = Usage(
        prompt_tokens=1000,
        output_tokens=2120,
        image_tokens=1120,
        thinking_tokens=500,
        total_tokens=3620,
        search_queries=2,
    )
    lab.model.then(answer(striped_png(8, 8), usage=usage))
    made = await lab.generate()

    # 1000 in at $2, 1120 image at $120, 1000 text + 500 thoughts at $12 a million, and two searches at $0.014
    assert made.picture.cost_usd == pytest.approx(0.002 + 0.1344 + 0.018 + 0.028)
    assert made.picture.usage["total_tokens"] == 3620


async def test_the_picture_is_kept_when_the_caller_leaves_midway(lab: Any) -> None:
    lab.model.hold()
    caller = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    lab.model.release()
    await lab.paid_calls.finish(60)

    assert caller.cancelled()
    assert await lab.prompts() == ["a corgi in a teacup"]


async def test_no_more_calls_than_admitted_reach_the_model(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=2, waiting=10))
    lab.model.hold()
    callers = [asyncio.create_task(lab.generate(f"picture {number}")) for number in range(8)]
    await lab.model.calls_begun(2)
    lab.model.release()
    await asyncio.gather(*callers)

    assert lab.model.most_in_flight == 2
    assert (await lab.history()).total == 8


async def test_beyond_the_waiting_room_nobody_is_let_in(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=1, waiting=0))
    lab.model.hold()
    first = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    with pytest.raises(Overloaded):
        await lab.generate()
    lab.model.release()
    await first

    assert len(lab.model.requests) == 1


async def test_a_failure_makes_room_for_the_next(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=1, waiting=0))
    lab.model.then(UpstreamFailed(), answer(b"no picture"))
    for _ in range(2):
        with pytest.raises(GenerationError):
            await lab.generate()

    assert (await lab.generate()).picture.mode is Mode.BASIC


async def test_once_shutting_down_who_still_waits_buys_nothing(open_lab: Any) -> None:
    lab = open_lab(admission=Admission(concurrent=1, waiting=5))
    lab.model.hold()
    running, waiting = asyncio.create_task(lab.generate("running")), asyncio.create_task(lab.generate("waiting"))
    await lab.model.calls_begun(1)
    lab.paid_calls.close()
    lab.model.release()
    endings = await asyncio.gather(running, waiting, return_exceptions=True)

    assert endings[0].picture.prompt == "running"
    assert isinstance(endings[1], ShuttingDown)
    assert len(lab.model.requests) == 1
