"""The prompt library of a running service: what ships with it, and what a model writes that answers like Gemini."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import guest_token, visiting
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

PROMPTS = "/api/prompts"
CHINESE, FRENCH = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}, {"Accept-Language": "fr"}
NO_USE = {
    "no JSON": "[[say Here are ten prompts for you]]",
    "cut off": '[[say {"prompts": [{"text": "a half]]',
    "told to be cut off": "[[finish MAX_TOKENS]]",
    "out of tokens": "[[max-tokens]]",
    "refusal": "[[refusal]]",
    "nothing": "[[empty-parts]]",
    "empty body": "[[empty]]",
    "body that is no JSON": "[[garbage]]",
    "too few": "[[too-few]]",
    "repeated": "[[repeated]]",
    "blank": "[[blank]]",
    "too long": "[[too-long]]",
    "another form": "[[wrong-schema]]",
    "another language": "[[other-language]]",
}


@pytest.fixture(scope="module")
def first_lab(folder: Path) -> Iterator[LabProcess]:
    """As it starts in an empty folder, without a key."""
    with running_lab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def guests_lab(
    fresh_stores: Stores, gemini_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabProcess]:
    """Lets guests in, speaks Chinese unless it is told otherwise, and has the double for Google."""
    settings = {"AUTH_ENABLED": "true", "TRIAL_ENABLED": "true", "DEFAULT_LANGUAGE": "zh", **fresh_stores.settings}
    with running_lab(tmp_path_factory.mktemp("guests"), **settings, **gemini_settings) as lab:
        yield lab


@pytest.fixture
async def anybody(first_lab: LabProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(first_lab) as visitor:
        yield visitor


@pytest.fixture
async def guest(guests_lab: LabProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody new."""
    async with visiting(guests_lab, token=await guest_token(guests_lab)) as visitor:
        yield visitor


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All that match."""
    page = (await client.get(PROMPTS, params={"limit": 200, **query})).raise_for_status().json()
    assert page["total"] == len(page["prompts"])
    prompts: list[dict[str, Any]] = page["prompts"]
    return prompts


async def written(client: httpx.AsyncClient, style: str, **headers: str) -> httpx.Response:
    return await client.post(f"{PROMPTS}/generate", json={"category": "food", "style": style}, headers=headers)


async def test_ten_prompts_are_distinct_kept_and_listed_first(guest: httpx.AsyncClient) -> None:
    before = await listed(guest)
    answer = (await written(guest, "sgraffito")).raise_for_status().json()
    after = await listed(guest)

    assert (answer["count"], answer["saved"], len({prompt["text"] for prompt in answer["prompts"]})) == (10, True, 10)
    assert after == answer["prompts"] + before
    assert await listed(guest, category="food", search="sgraffito") == answer["prompts"]


async def test_what_is_written_for_one_nobody_else_sees(guest: httpx.AsyncClient, guests_lab: LabProcess) -> None:
    await written(guest, "sgraffito")
    async with visiting(guests_lab, token=await guest_token(guests_lab)) as other:
        assert await listed(other, search="sgraffito") == []


@pytest.mark.parametrize("style", NO_USE.values(), ids=NO_USE)
async def test_an_answer_that_is_no_use_is_502_and_nothing_is_kept(
    guest: httpx.AsyncClient, gemini: GeminiDouble, style: str
) -> None:
    before = await listed(guest)
    gemini.clear()
    answer = await written(guest, style)

    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_error")
    assert await listed(guest) == before
    assert len(gemini.requests) == 1


async def test_a_failure_is_told_in_the_language_that_the_client_likes_best(guest: httpx.AsyncClient) -> None:
    chinese, french, english = [
        (await written(guest, "[[too-few]]", **headers)).json()["detail"]
        for headers in (CHINESE, FRENCH, {"Accept-Language": "en"})
    ]

    assert chinese == french != english
    assert english.isascii()
    assert not chinese.isascii()


async def test_a_language_that_nobody_speaks_here_is_answered_in_the_usual_one(anybody: httpx.AsyncClient) -> None:
    chinese, french, english = [await written(anybody, "sgraffito", **headers) for headers in (CHINESE, FRENCH, {})]

    assert [answer.json()["code"] for answer in (chinese, french, english)] == ["no_api_key"] * 3
    assert french.json()["detail"] == english.json()["detail"] != chinese.json()["detail"]
    assert [answer.headers["Content-Language"] for answer in (chinese, french, english)] == ["zh", "en", "en"]


@pytest.mark.parametrize(("language", "word"), [("en", "lighthouse"), ("zh", "灯塔")])
async def test_a_first_start_has_a_library_to_look_through(
    anybody: httpx.AsyncClient, language: str, word: str
) -> None:
    everything = await listed(anybody, language=language)
    found = await listed(anybody, language=language, search=word.upper())

    assert len(everything) >= 9 * 12
    assert {prompt["language"] for prompt in everything} == {language}
    assert 0 < len(found) < len(everything)
    assert all(word in str(prompt).lower() for prompt in found)


async def test_favourites_are_each_users_own_and_come_and_go(guest: httpx.AsyncClient, guests_lab: LabProcess) -> None:
    [first, second, *_] = await listed(guest)
    marked = [(await guest.post(f"{PROMPTS}/{each['id']}/favorite")).json() for each in (first, second, second)]
    async with visiting(guests_lab, token=await guest_token(guests_lab)) as other:
        theirs = await listed(other, favorites_only="true")

    assert [each["is_favorite"] for each in marked] == [True, True, False]
    assert await listed(guest, favorites_only="true") == [first | {"is_favorite": True}]
    assert theirs == []
