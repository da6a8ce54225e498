"""`GET /api/chat/{id}/export`: a chat to take home."""

from typing import Any

import pytest
from tests.http.chatting import BOB, Chat, spoken


@pytest.fixture
async def chat(service: Any) -> Chat:
    chat = await Chat.begun(service)
    service.model.then(spoken("Here."), spoken(None))
    await chat.reply("a corgi\n# in a teacup")
    await chat.reply("bluer")
    return chat


@pytest.mark.parametrize("query", [{}, {"format": "json"}], ids=str)
async def test_programs_get_the_chat_with_its_title(chat: Chat, query: dict[str, str]) -> None:
    response, detail = await chat.export(**query), await chat.detail()

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == detail | {"created_at": "2026-11-22T12:00:00.000Z", "title": "a corgi\n# in a teacup"}
    assert response.headers["cache-control"] == "no-store"


async def test_people_get_markdown_in_which_nothing_said_is_a_heading(chat: Chat) -> None:
    response = await chat.export(format="markdown")
    first, second = [each["image"] for each in (await chat.detail())["messages"] if each["image"]]

    assert (response.status_code, response.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert response.text.splitlines() == [
        "# a corgi # in a teacup", "", "Begun 2026-11-22 12:00 UTC.", "",
        "## User", "", "> a corgi", "> # in a teacup", "",
        "## Assistant", "", "> Here.", "", f"![Picture {first['id']}](http://lab.test{first['url']})", "",
        "## User", "", "> bluer", "",
        "## Assistant", "", f"![Picture {second['id']}](http://lab.test{second['url']})",
    ]  # fmt: skip


@pytest.mark.parametrize(("format", "suffix"), [("json", "json"), ("markdown", "md")])
async def test_an_export_is_a_file_with_a_name_that_works_anywhere(chat: Chat, format: str, suffix: str) -> None:
    response = await chat.export(format=format)

    assert response.headers["content-disposition"] == f'attachment; filename="chat-{chat.id}.{suffix}"'


async def test_a_published_store_gives_public_urls(service: Any, chat: Chat) -> None:
    service.blobs.public_url = lambda key: f"https://cdn.test/{key}"
    image = (await chat.export()).json()["messages"][1]["image"]

    assert image["url"] == f"https://cdn.test/{image['key']}"
    assert f"({image['url']})" in (await chat.export(format="markdown")).text


async def test_deleted_pictures_are_told_of(service: Any, chat: Chat) -> None:
    image = (await chat.detail())["messages"][1]["image"]
    await service.client.delete(f"/api/history/{image['id']}")

    assert [each["image"] is None for each in (await chat.export()).json()["messages"]] == [True, True, True, False]
    markdown = (await chat.export(format="markdown")).text
    assert ("*This picture was deleted.*" in markdown, image["id"] in markdown) == (True, False)


async def test_words_of_all_languages_survive(service: Any) -> None:
    chat = await Chat.begun(service)
    await chat.reply("ein Hündchen 🐕 茶杯")

    assert (await chat.export()).json()["title"] == "ein Hündchen 🐕 茶杯"
    assert (await chat.export(format="markdown")).content.decode().startswith("# ein Hündchen 🐕 茶杯\n")


async def test_a_chat_without_messages_can_be_exported(service: Any) -> None:
    chat = await Chat.begun(service)

    assert (await chat.export()).json()["messages"] == []
    assert (await chat.export(format="markdown")).text == "# Chat\n\nBegun 2026-11-22 12:00 UTC.\n"


@pytest.mark.parametrize("format", ["pdf", "", "JSON"])
async def test_an_unknown_format_is_refused(chat: Chat, wrong_fields: Any, format: str) -> None:
    assert wrong_fields(await chat.export(format=format)) == [("format", "unknown_choice")]


@pytest.mark.parametrize("format", ["json", "markdown"])
async def test_somebody_elses_chat_is_not_there(chat: Chat, is_problem: Any, format: str) -> None:
    response = await chat.client.get(f"{chat.path}/export", params={"format": format}, headers=BOB)

    is_problem(response, 404, "session_not_found")
