"""`POST /api/chat/{id}/message`: what a client gets, what the model is shown, and what is paid for."""

import asyncio
import base64
from typing import Any

import pytest
from tests.http.chatting import BOB, OWN_KEY, Chat, spoken

from nano_banana_lab.core.generation.image_request import PicturePart, Resolution, Role, SafetyLevel, TextPart
from nano_banana_lab.core.generation.ports import ContentBlocked, GenerationError, NoImage, UpstreamTimeout
from nano_banana_lab.testing.scripted_image_model import striped_png

TRIAL = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "0"}
PNG = striped_png(8, 8)
SENT = {"data": base64.b64encode(PNG).decode()}


@pytest.fixture
async def chat(service: Any) -> Chat:
    return await Chat.begun(service)


async def quota(service: Any) -> dict[str, Any]:
    return (await service.client.get("/api/quota")).json()


async def test_a_message_is_answered_with_a_picture(service: Any, chat: Chat) -> None:
    service.model.then(spoken("Here.", thinking="Hm."))
    reply = await chat.reply("a corgi", include_thinking=True)

    assert set(reply) == {"text", "image", "thinking", "duration", "message_count", "usage", "model"}
    assert (reply["text"], reply["thinking"], reply["message_count"], reply["model"]) == ("Here.", "Hm.", 2, "scripted")
    assert isinstance(reply["duration"], float)
    assert reply["usage"] == {
        "prompt_tokens": 32,
        "output_tokens": 1220,
        "thinking_tokens": 200,
        "total_tokens": 1452,
        "cost_usd": pytest.approx((1120 * 120 + 300 * 12 + 32 * 2) / 1_000_000),
    }
    assert len((await service.client.get(reply["image"]["url"])).content) == reply["image"]["size_bytes"]


async def test_a_model_that_only_draws_says_nothing(chat: Chat) -> None:
    reply = await chat.reply()

    assert (reply["text"], reply["thinking"]) == (None, None)


async def test_the_image_is_the_one_of_every_other_route(service: Any, chat: Chat) -> None:
    made = await service.generated()

    assert {name: type(value) for name, value in (await chat.reply())["image"].items()} == {
        name: type(value) for name, value in made["image"].items()
    }


async def test_the_model_sees_the_whole_conversation(service: Any, chat: Chat) -> None:
    service.model.then(first := spoken("Here."))
    await chat.reply("a corgi")
    reply = await chat.reply("bluer", images=[SENT])

    before, answered, now = service.model.requests[1].turns
    assert (before.role, before.parts) == (Role.USER, (TextPart(text="a corgi"),))
    assert (answered.role, answered.parts) == (Role.MODEL, first.parts)
    assert (now.role, now.parts) == (Role.USER, (PicturePart(data=PNG, mime_type="image/png"), TextPart(text="bluer")))
    assert reply["message_count"] == 4


async def test_settings_are_the_chats_unless_the_message_says_otherwise(service: Any) -> None:
    chat = await Chat.begun(service, aspect_ratio="21:9")
    await chat.reply(aspect_ratio=None)
    await chat.reply(aspect_ratio="1:1", resolution="4K", safety_level="none", include_thinking=True)
    await chat.reply()

    asked = [(*astuple(request.settings), request.include_thinking) for request in service.model.requests]
    usual = ("21:9", Resolution.ONE_K, SafetyLevel.MODERATE, False)
    assert asked == [usual, ("1:1", Resolution.FOUR_K, SafetyLevel.NONE, True), usual]


def astuple(settings: Any) -> tuple[Any, ...]:
    return settings.aspect_ratio, settings.resolution, settings.safety_level


async def test_pictures_come_along_by_key_and_as_bytes(service: Any, chat: Chat) -> None:
    uploaded = await service.client.post("/api/images", content=PNG, headers={"Content-Type": "image/png"})
    made = await service.generated()
    await chat.reply(images=[{"key": uploaded.json()["key"]}, {"key": made["image"]["key"]}, SENT])

    parts = service.model.requests[-1].turns[0].parts
    sizes = [len(part.data) for part in parts if isinstance(part, PicturePart)]
    assert sizes == [len(PNG), made["image"]["size_bytes"], len(PNG)]


@pytest.mark.parametrize("images", [None, []])
async def test_a_message_needs_no_pictures(service: Any, chat: Chat, images: Any) -> None:
    await chat.reply(images=images)

    assert [type(part) for part in service.model.requests[0].turns[0].parts] == [TextPart]


async def test_fourteen_pictures_are_the_most(service: Any, chat: Chat, wrong_fields: Any) -> None:
    await chat.reply(images=[SENT] * 14)
    refused = await chat.say(images=[{"data": "%"}] * 15)

    assert wrong_fields(refused) == [("images", "too_many")]
    assert len(service.model.requests) == 1


@pytest.mark.parametrize("message", ["x", "x" * 2000, f"  {'x' * 2000}\n", "犬" * 2000])
async def test_a_message_may_have_2000_characters(chat: Chat, message: str) -> None:
    await chat.reply(message)

    assert (await chat.detail())["messages"][0]["content"] == message.strip()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"message": "x" * 2001}, [("message", "too_long")]),
        ({"message": ""}, [("message", "blank")]),
        ({"message": " \n"}, [("message", "blank")]),
        ({"message": 5}, [("message", "wrong_type")]),
        ({"message": None}, [("message", "wrong_type")]),
        ({"aspect_ratio": "7:1"}, [("aspect_ratio", "unsupported_choice")]),
        ({"resolution": "8K"}, [("resolution", "unknown_choice")]),
        ({"safety_level": "lax", "aspect_ratio": 1}, [("aspect_ratio", "wrong_type"), ("safety_level", "unknown_choice")]),
        ({"images": [SENT, {}]}, [("images.1", "one_of")]),
        ({"images": [SENT | {"key": "x"}]}, [("images.0", "one_of")]),
        ({"images": [{"data": "%"}]}, [("images.0", "bad_base64")]),
        ({"images": "x"}, [("images", "wrong_type")]),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_a_message_that_cannot_be_is_refused(
    service: Any, chat: Chat, wrong_fields: Any, body: Any, fields: list[tuple[str, str]]
) -> None:
    assert sorted(wrong_fields(await chat.say(**{"message": "x"} | body))) == sorted(fields)
    assert (service.model.requests, (await chat.detail())["messages"]) == ([], [])


async def test_a_body_without_a_message_is_refused(chat: Chat, wrong_fields: Any) -> None:
    assert wrong_fields(await chat.client.post(f"{chat.path}/message", json={})) == [("message", "missing")]


async def test_what_is_no_picture_is_named(service: Any, chat: Chat, is_problem: Any) -> None:
    text = {"data": base64.b64encode(b"hello").decode()}
    problem = is_problem(await chat.say(images=[SENT, text]), 422, "invalid_image")

    assert problem["error"]["details"]["field"] == "images.1"
    assert service.model.requests == []


async def test_somebody_elses_picture_is_not_there(service: Any, chat: Chat, is_problem: Any) -> None:
    bobs = await service.generated(owner="bob")
    problem = is_problem(await chat.say(images=[{"key": bobs["image"]["key"]}]), 404, "image_not_found")

    assert problem["error"]["details"]["field"] == "images.0"
    assert len(service.model.requests) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(ContentBlocked(reason="SAFETY"), 400), (NoImage(text="No."), 502), (UpstreamTimeout(timeout_seconds=180), 504)],
    ids=["blocked", "empty", "timeout"],
)
async def test_a_message_that_fails_leaves_the_chat_as_it_was(
    service: Any, chat: Chat, error: GenerationError, status: int
) -> None:
    await chat.reply("a corgi")
    before, listed = await chat.detail(), (await service.client.get("/api/chat")).json()
    service.model.then(error)
    failed = await chat.say("bluer")

    assert failed.status_code == status
    assert (await chat.detail(), (await service.client.get("/api/chat")).json()) == (before, listed)
    assert (await chat.reply("redder"))["message_count"] == 4
    assert "bluer" not in str(service.model.requests[-1].turns)


async def test_one_message_at_a_time(service: Any, chat: Chat, is_problem: Any) -> None:
    service.model.hold()
    first = asyncio.create_task(chat.reply("a corgi"))
    await service.model.calls_begun(1)
    refused, during = await chat.say("bluer"), await chat.detail()
    service.model.release()
    await first

    is_problem(refused, 409, "session_busy")
    assert (refused.headers["retry-after"], during["messages"]) == ("5", [])
    assert [each["content"] for each in (await chat.detail())["messages"]] == ["a corgi", ""]
    assert (await chat.reply("bluer"))["message_count"] == 4


async def test_chats_do_not_wait_for_each_other(service: Any, chat: Chat) -> None:
    service.model.hold()
    both = asyncio.gather(chat.reply(), (await Chat.begun(service)).reply())
    await service.model.calls_begun(2)
    service.model.release()

    assert [reply["message_count"] for reply in await both] == [2, 2]


async def test_a_chat_that_is_forgotten_meanwhile_leaves_the_picture_in_the_history(
    service: Any, chat: Chat, is_problem: Any
) -> None:
    service.model.hold()
    answering = asyncio.create_task(chat.say("a corgi"))
    await service.model.calls_begun(1)
    await service.client.delete(chat.path)
    service.model.release()

    is_problem(await answering, 404, "session_not_found")
    (item,) = (await service.client.get("/api/history")).json()["items"]
    assert (item["prompt"], item["session_id"]) == ("a corgi", chat.id)


async def test_a_client_that_hangs_up_finds_its_answer_in_the_chat(service: Any, chat: Chat) -> None:
    service.model.hold()
    request = asyncio.create_task(chat.say("a corgi"))
    await service.model.calls_begun(1)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    service.model.release()
    await (await service.paid_calls).finish(60)

    user, assistant = (await chat.detail())["messages"]
    assert (user["content"], assistant["image"] is not None) == ("a corgi", True)


async def test_a_message_that_is_repeated_is_answered_and_kept_once(service: Any, chat: Chat) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = [await chat.say("a corgi", headers) for _ in range(2)]

    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (len(service.model.requests), len((await chat.detail())["messages"])) == (1, 2)


async def test_a_message_that_came_too_early_can_be_sent_again_under_its_key(service: Any, chat: Chat) -> None:
    service.model.hold()
    first = asyncio.create_task(chat.reply())
    await service.model.calls_begun(1)
    refused = await chat.say("bluer", {"Idempotency-Key": "once"})
    service.model.release()
    await first

    assert refused.status_code == 409
    assert (await chat.say("bluer", {"Idempotency-Key": "once"})).json()["message_count"] == 4


@pytest.mark.parametrize("resolution", ["1K", "4K"])
async def test_the_trial_counts_a_message_as_chat(open_service: Any, resolution: str) -> None:
    async with open_service(**TRIAL) as service:
        chat = await Chat.begun(service)
        begun = await quota(service)
        await chat.reply(resolution=resolution)
        after = await quota(service)

    assert (begun["global_used"], after["global_used"]) == (0, 1)
    assert {mode: each["used"] for mode, each in after["modes"].items() if each["used"]} == {"chat": 1}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"TRIAL_CHAT_LIMIT": "1"}, "quota_exceeded"),
        ({"TRIAL_GLOBAL_QUOTA": "1"}, "quota_exceeded"),
        ({"TRIAL_COOLDOWN_SECONDS": "60"}, "cooldown_active"),
    ],
    ids=str,
)
async def test_a_message_that_the_trial_does_not_pay_leaves_the_chat_as_it_was(
    open_service: Any, is_problem: Any, settings: dict[str, str], code: str
) -> None:
    async with open_service(**TRIAL | settings) as service:
        chat = await Chat.begun(service)
        await chat.reply("a corgi")
        before = await chat.detail()
        refused = await chat.say("bluer")

        is_problem(refused, 429, code)
        assert int(refused.headers["retry-after"]) > 0
        assert (await chat.detail(), len(service.model.requests)) == (before, 1)


async def test_what_fails_or_is_not_there_costs_no_points(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        chat = await Chat.begun(service)
        service.model.then(ContentBlocked(reason="SAFETY"))
        refused = [
            await chat.say(),
            await chat.say(aspect_ratio="7:1"),
            await chat.say(images=[{"data": "%"}]),
            await chat.say(headers=BOB),
        ]

        assert [response.status_code for response in refused] == [400, 422, 422, 404]
        assert (await quota(service))["global_used"] == 0


async def test_a_key_of_ones_own_pays_for_the_message(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        chat = await Chat.begun(service)
        for _ in range(2):
            await chat.reply("a corgi", OWN_KEY)

        assert (len(service.keyed.requests), service.model.requests) == (2, [])
        assert [request.api_key.reveal() for request in service.keyed.requests] == ["callers-own-key"] * 2
        assert (await quota(service))["global_used"] == 0
