"""A conversation as its two sides see it: clients over HTTP, and Google, who refuses what is not as it made it."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import generate, history, visiting
from tests.e2e.store_setups import ServiceStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server
from nano_banana_lab.testing.scripted_image_model import striped_png

CAT, HAT, DOG = (striped_png(32, 32, note=name) for name in ("cat", "hat", "dog"))


@pytest.fixture(scope="module")
def settings(redis_server: RedisServer, s3_server: S3Server, gemini_settings: dict[str, str]) -> dict[str, str]:
    return ServiceStores(redis_server, s3_server, "of-chats").settings | gemini_settings


@pytest.fixture(scope="module")
def pair(folder: Path, settings: dict[str, str]) -> Iterator[tuple[LabProcess, LabProcess]]:
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield one, two


async def begin(client: httpx.AsyncClient) -> str:
    answer = (await client.post("/api/chat", json={"aspect_ratio": "1:1"})).raise_for_status()
    chat: str = answer.json()["session_id"]
    return chat


async def say(
    client: httpx.AsyncClient, chat: str, text: str, *images: dict[str, str], key: str | None = None
) -> httpx.Response:
    headers = {"X-API-Key": key} if key else {}
    return await client.post(
        f"/api/chat/{chat}/message", json={"message": text, "images": list(images)}, headers=headers
    )


async def detail(client: httpx.AsyncClient, chat: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/chat/{chat}")).raise_for_status().json()
    return found


def sent(data: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode()}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pictures(turn: dict[str, Any]) -> list[str]:
    """The SHA-256 of each."""
    return [part["inlineData"]["data"].removeprefix("sha256:") for part in turn["parts"] if "inlineData" in part]


def words(turn: dict[str, Any]) -> list[str]:
    return [part["text"] for part in turn["parts"] if "text" in part]


async def test_a_chat_goes_on_through_a_restart_and_in_another_process(
    folder: Path, settings: dict[str, str], gemini: GeminiDouble
) -> None:
    with ExitStack() as processes:
        one = processes.enter_context(running_lab(folder / "before", **settings))
        async with visiting(one) as client:
            hat = (await generate(client, "a hat")).raise_for_status().json()["image"]
            gemini.clear()
            chat = await begin(client)
            answers = [
                await say(client, chat, "my cat, painted", sent(CAT)),
                await say(client, chat, "with these two [[three-images]]", {"key": hat["key"]}, sent(HAT)),
                await say(client, chat, "all in blue [[text-after]]"),
            ]
        one.stop()
        again = processes.enter_context(running_lab(folder / "after", **settings))
        other = processes.enter_context(running_lab(folder / "other", **settings))
        async with visiting(again) as client, visiting(other) as another:
            answers.append(await say(client, chat, "and my dog [[thoughts]]", sent(DOG)))
            answers.append(await say(another, chat, "at night [[no-text]]"))
            answers.append(await say(client, chat, "at noon"))
            seen_by_both = [await detail(each, chat) for each in (client, another)]

    assert [answer.status_code for answer in answers] == [200] * 6, answers[-1].text
    assert [answer.json()["message_count"] for answer in answers] == [2, 4, 6, 8, 10, 12]
    assert seen_by_both[0] == seen_by_both[1]
    calls = gemini.requests
    assert [call.status for call in calls] == [200] * 6  # none was refused and sent again another way
    turns = [call.body["contents"] for call in calls]
    assert all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(turns))
    assert [turn["role"] for turn in turns[-1]] == ["user", "model"] * 5 + ["user"]
    given = [[sha256(CAT)], [hat["sha256"], sha256(HAT)], [], [sha256(DOG)], [], []]
    assert [pictures(turn) for turn in turns[-1][::2]] == given
    made = [answer.json()["image"]["sha256"] for answer in answers[:5]]
    assert [pictures(turn)[-1] for turn in turns[-1][1::2]] == made
    assert [len(pictures(turn)) for turn in turns[-1][1::2]] == [1, 3, 1, 1, 1]


async def test_with_a_key_of_ones_own_the_chat_goes_on_from_the_last_picture(
    pair: tuple[LabProcess, LabProcess], gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as client:
        chat = await begin(client)
        first = await say(client, chat, "a cat")
        gemini.clear()
        second = await say(client, chat, "now blue", key="the-key-of-a-caller")
        third = await say(client, chat, "at night", key="the-key-of-a-caller")

    assert [answer.status_code for answer in (first, second, third)] == [200] * 3
    told, gone_on = [call.body["contents"] for call in gemini.requests]
    assert (len(told), words(told[0])[-1], pictures(told[0])) == (1, "now blue", [first.json()["image"]["sha256"]])
    assert [turn["role"] for turn in gone_on] == ["user", "model", "user"]
    assert pictures(gone_on[1]) == [second.json()["image"]["sha256"]]


async def test_when_the_operator_changes_the_key_chats_go_on_from_their_last_picture(
    pair: tuple[LabProcess, LabProcess], folder: Path, settings: dict[str, str], gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as client:
        chat = await begin(client)
        first = await say(client, chat, "a cat")
    gemini.clear()
    with running_lab(folder / "rekeyed", **settings | {"GOOGLE_API_KEY": "a-new-key"}) as rekeyed:
        async with visiting(rekeyed) as client:
            answers = [await say(client, chat, wish) for wish in ("now blue", "at night")]

    assert [answer.json()["message_count"] for answer in answers] == [4, 6]
    assert [(call.status, len(call.body["contents"])) for call in gemini.requests] == [(400, 3), (200, 1), (200, 3)]
    assert pictures(gemini.requests[1].body["contents"][0]) == [first.json()["image"]["sha256"]]


async def test_of_twenty_messages_to_two_processes_one_is_answered_at_a_time(
    pair: tuple[LabProcess, LabProcess], gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        both, chat = (one, two), await begin(one)
        gemini.clear()
        at_once = [asyncio.create_task(say(both[n % 2], chat, f"wish {n} [[hold them]]")) for n in range(20)]
        ended = asyncio.as_completed(at_once)
        refused = [await next(ended) for _ in range(19)]
        gemini.release("them")
        answered = await next(ended)
        later = [await say(both[n % 2], chat, f"later {n}") for n in range(3)]
        said, mine = await detail(two, chat), [line for line in await history(one) if line["session_id"] == chat]

    assert {(each.status_code, each.json()["code"]) for each in refused} == {(409, "session_busy")}
    assert all(int(each.headers["Retry-After"]) > 0 for each in refused)
    assert [each.json()["message_count"] for each in (answered, *later)] == [2, 4, 6, 8]
    assert [each["content"] for each in said["messages"][2::2]] == ["later 0", "later 1", "later 2"]
    assert (len(gemini.requests), len(mine), {line["mode"] for line in mine}) == (4, 4, {"chat"})


async def test_a_chat_that_is_deleted_while_it_answers_leaves_its_picture(
    pair: tuple[LabProcess, LabProcess], gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        chat = await begin(one)
        gemini.clear()
        asked = asyncio.create_task(say(one, chat, "a lost cat [[hold lost]]"))
        await gemini.until(lambda requests: len(requests) == 1)
        deleted = await two.delete(f"/api/chat/{chat}")
        gemini.release("lost")
        answer, left = await asked, await one.get(f"/api/chat/{chat}")
        kept = [line["prompt"] for line in await history(two) if line["session_id"] == chat]

    assert (deleted.status_code, answer.status_code, left.status_code) == (200, 404, 404)
    assert (answer.json()["code"], kept) == ("session_not_found", ["a lost cat [[hold lost]]"])
