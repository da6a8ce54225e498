"""`/api/chat`: begin, list, read and forget chats, and whose they are."""

from typing import Any

import pytest
from tests.http.chatting import BOB, OWN_KEY, Chat, spoken

DAY = 86_400


async def listed(service: Any, headers: dict[str, str] | None = None, **query: Any) -> tuple[list[str], int]:
    response = await service.client.get("/api/chat", params=query, headers=headers)
    assert response.status_code == 200, response.text
    body = response.json()
    return [each["session_id"] for each in body["sessions"]], body["total"]


async def test_a_chat_begins_with_what_was_asked_for(service: Any) -> None:
    response = await service.client.post("/api/chat", json={"aspect_ratio": "21:9"})

    assert response.status_code == 200
    assert response.json() == {
        "session_id": response.json()["session_id"],
        "aspect_ratio": "21:9",
        "created_at": "2026-11-22T12:00:00.000Z",
    }
    assert service.model.requests == []


@pytest.mark.parametrize("body", [{}, {"content": b""}, {"json": {}}, {"json": {"theme": "dogs"}}], ids=str)
async def test_a_chat_needs_nothing_to_begin(service: Any, body: Any) -> None:
    response = await service.client.post("/api/chat", **body)

    assert (response.status_code, response.json().get("aspect_ratio")) == (200, "16:9")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"json": {"aspect_ratio": "7:1"}}, [("aspect_ratio", "unsupported_choice")]),
        ({"json": {"aspect_ratio": ""}}, [("aspect_ratio", "unsupported_choice")]),
        ({"json": {"aspect_ratio": 16}}, [("aspect_ratio", "wrong_type")]),
        ({"json": []}, [("body", "wrong_type")]),
        ({"content": b"{"}, [("body", "invalid_json")]),
    ],
    ids=str,
)
async def test_a_chat_that_cannot_be_is_refused(
    refusing: Any, wrong_fields: Any, body: Any, fields: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await refusing.post("/api/chat", **body)) == fields


async def test_a_ratio_is_held_to_the_model_that_the_caller_pays(service: Any, wrong_fields: Any) -> None:
    card = service.keyed.card
    service.keyed._card = type(card)(id="square", aspect_ratios=("1:1",), image_tokens=card.image_tokens)
    refused = await service.client.post("/api/chat", json={"aspect_ratio": "16:9"}, headers=OWN_KEY)

    assert wrong_fields(refused) == [("aspect_ratio", "unsupported_choice")]
    assert (await service.client.post("/api/chat", json={"aspect_ratio": "16:9"})).status_code == 200


async def test_a_list_shows_what_chats_are_about(service: Any) -> None:
    chat = await Chat.begun(service, aspect_ratio="1:1")
    await chat.reply("a corgi in a teacup" + " and so on" * 10)
    await chat.reply("bluer")

    assert (await service.client.get("/api/chat")).json() == {
        "sessions": [
            {
                "session_id": chat.id,
                "aspect_ratio": "1:1",
                "message_count": 4,
                "created_at": "2026-11-22T12:00:00.000Z",
                "last_activity": "2026-11-22T12:00:02.000Z",
                "title": ("a corgi in a teacup" + " and so on" * 10)[:80],
            }
        ],
        "total": 1,
    }


async def test_a_chat_without_messages_is_listed_too(service: Any) -> None:
    await Chat.begun(service)
    (session,) = (await service.client.get("/api/chat")).json()["sessions"]

    assert (session["message_count"], session["title"]) == (0, "")
    assert session["last_activity"] == session["created_at"]


async def test_the_latest_activity_comes_first(service: Any) -> None:
    first, second = await Chat.begun(service), await Chat.begun(service)
    await second.reply()
    await first.reply()

    assert await listed(service) == ([first.id, second.id], 2)


async def test_a_list_can_be_read_in_pages(service: Any) -> None:
    begun = []
    for _ in range(5):
        service.clock.advance(1)
        begun.append((await Chat.begun(service)).id)
    pages = [await listed(service, limit=2, offset=offset) for offset in (0, 2, 4, 6)]

    newest = begun[::-1]
    assert pages == [(newest[:2], 5), (newest[2:4], 5), (newest[4:], 5), ([], 5)]


async def test_a_list_without_a_limit_is_long_enough_for_older_clients(service: Any) -> None:
    for _ in range(21):
        await Chat.begun(service)
    ids, total = await listed(service)

    assert (len(ids), total) == (21, 21)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"limit": "0"}, [("limit", "too_small")]),
        ({"limit": "101"}, [("limit", "too_large")]),
        ({"offset": "-1"}, [("offset", "too_small")]),
        ({"limit": "many"}, [("limit", "wrong_type")]),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    refusing: Any, wrong_fields: Any, query: Any, fields: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await refusing.get("/api/chat", params=query)) == fields


async def test_a_chat_reads_as_it_was_said(service: Any) -> None:
    chat = await Chat.begun(service, aspect_ratio="4:3")
    service.model.then(spoken("Here.", thinking="Hm."), spoken(None))
    first, second = await chat.reply(" a corgi "), await chat.reply("bluer")

    assert await chat.detail() == {
        "session_id": chat.id,
        "aspect_ratio": "4:3",
        "messages": [
            said("user", "a corgi", 1),
            said("assistant", "Here.", 1, image=first["image"], thinking="Hm."),
            said("user", "bluer", 2),
            said("assistant", "", 2, image=second["image"]),
        ],
    }


def said(role: str, content: str, second: int, *, image: Any = None, thinking: Any = None) -> dict[str, Any]:
    timestamp = f"2026-11-22T12:00:{second:02}.000Z"
    return {"role": role, "content": content, "image": image, "thinking": thinking, "timestamp": timestamp}


async def test_a_chat_without_messages_has_none(service: Any) -> None:
    chat = await Chat.begun(service)

    assert await chat.detail() == {"session_id": chat.id, "messages": [], "aspect_ratio": "16:9"}


async def test_of_a_deleted_picture_the_words_stay(service: Any) -> None:
    chat = await Chat.begun(service)
    deleted, kept = await chat.reply("a corgi"), await chat.reply("bluer")
    await service.client.delete(f"/api/history/{deleted['image']['id']}")
    messages = (await chat.detail())["messages"]

    assert [each["content"] for each in messages] == ["a corgi", "", "bluer", ""]
    assert [each["image"] for each in messages] == [None, None, None, kept["image"]]


async def test_however_long_a_chat_is_its_pictures_are_looked_up_together(
    open_service: Any, unreliable: Any, mishap: Any
) -> None:
    async with open_service() as service:
        chat = await Chat.begun(service)
        for _ in range(3):
            await chat.reply()
        reads = mishap(AssertionError("never"), "get", at=1000)
        counted = unreliable(service.key_values, reads)
    async with open_service(key_values=counted, blobs=service.blobs) as again:
        messages = (await Chat(again, chat.id).detail())["messages"]

        assert sum(each["image"] is not None for each in messages) == 3
        assert reads.seen == 1


async def test_the_history_shows_the_pictures_of_a_chat(service: Any) -> None:
    chat = await Chat.begun(service)
    reply = await chat.reply("a corgi")
    (item,) = (await service.client.get("/api/history", params={"mode": "chat"})).json()["items"]

    assert (item["id"], item["prompt"], item["mode"]) == (reply["image"]["id"], "a corgi", "chat")
    assert item["session_id"] == chat.id


async def test_a_forgotten_chat_leaves_its_pictures_in_the_history(service: Any) -> None:
    chat = await Chat.begun(service)
    await chat.reply()
    response = await service.client.delete(chat.path)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    assert response.json()["success"] is True
    assert await listed(service) == ([], 0)
    assert (await service.client.get("/api/history")).json()["total"] == 1


async def test_everybody_has_chats_of_their_own(service: Any) -> None:
    mine, bobs = await Chat.begun(service), await Chat.begun(service, BOB)

    assert (await listed(service), await listed(service, BOB)) == (([mine.id], 1), ([bobs.id], 1))


async def test_somebody_elses_chat_is_not_there(service: Any, is_problem: Any) -> None:
    chat = await Chat.begun(service)
    await chat.reply()

    for response in await chat.every_route(BOB):
        is_problem(response, 404, "session_not_found")
    assert len((await chat.detail())["messages"]) == 2
    assert len(service.model.requests) == 1


async def test_a_chat_is_there_for_a_day_after_its_last_message(service: Any, is_problem: Any) -> None:
    chat = await Chat.begun(service)
    service.clock.advance(DAY - 2)
    await chat.reply()
    service.clock.advance(DAY - 1)
    assert len((await chat.detail())["messages"]) == 2
    service.clock.advance(1)

    for response in await chat.every_route():
        is_problem(response, 404, "session_not_found")
    assert await listed(service) == ([], 0)
    assert (await service.client.get("/api/history")).json()["total"] == 1


async def test_a_forgotten_chat_is_not_there(service: Any, is_problem: Any) -> None:
    chat = await Chat.begun(service)
    await service.client.delete(chat.path)

    for response in await chat.every_route():
        is_problem(response, 404, "session_not_found")


@pytest.mark.parametrize("id", ["0" * 32, "x", "0" * 2000, "%2e%2e%5c", "%00", "%F0%9F%90%95", "A" * 32])
async def test_an_id_that_never_was_is_not_there(service: Any, is_problem: Any, id: str) -> None:
    for response in await Chat(service, id).every_route():
        is_problem(response, 404, "session_not_found")
    assert service.model.requests == []


async def test_in_a_lab_with_sign_in_chats_need_a_token(open_service: Any, is_problem: Any) -> None:
    async with open_service(identify=None, AUTH_ENABLED="true") as service:
        answers = [
            await service.client.post("/api/chat"),
            await service.client.get("/api/chat"),
            *await Chat(service, "0" * 32).every_route(),
        ]

    for response in answers:
        is_problem(response, 401, "authentication_failed")


async def test_the_document_says_what_a_chat_takes_and_how_it_fails(refusing: Any) -> None:
    paths = (await refusing.get("/openapi.json")).json()["paths"]
    message = paths["/api/chat/{session_id}/message"]["post"]["responses"]

    assert paths["/api/chat"]["post"]["requestBody"]["required"] is False
    assert set(message["409"]["content"]["application/problem+json"]["examples"]) == {
        "session_busy",
        "idempotency_conflict",
    }
    assert {"session_not_found", "image_not_found"} <= set(
        message["404"]["content"]["application/problem+json"]["examples"]
    )
    assert "Idempotency-Replayed" in message["200"]["headers"]
    assert set(paths["/api/chat/{session_id}/export"]["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "text/markdown",
    }
