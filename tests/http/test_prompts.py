"""`/api/prompts`: the library as clients see it."""

from typing import Any

import pytest

PROMPTS = "/api/prompts"
BOB = {"Authorization": "Bearer bob"}


async def library(client: Any, headers: dict[str, str] | None = None, **query: Any) -> dict[str, Any]:
    return (await client.get(PROMPTS, params=query, headers=headers)).raise_for_status().json()


async def kept(client: Any, **body: Any) -> dict[str, Any]:
    response = await client.post(PROMPTS, json={"text": "a quiet harbour"} | body)
    assert response.status_code == 200, response.text
    return response.json()["prompt"]


@pytest.mark.parametrize(("language", "name"), [("en", "Portraits"), ("zh", "人像")])
async def test_the_starter_library_is_there_from_the_start(client: Any, language: str, name: str) -> None:
    page = await library(client, language=language, limit=200)

    assert page["total"] == len(page["prompts"]) >= 9 * 12
    assert {prompt["language"] for prompt in page["prompts"]} == {language}
    assert set(page["prompts"][0]) == {
        "id", "text", "description", "category", "tags", "style", "is_favorite", "created_at", "language",
    }  # fmt: skip
    first, *_, last = page["categories"]
    assert (first["name"], first["display_name"], first["icon"], last["name"]) == ("portrait", name, "👤", "custom")
    assert [each["count"] >= 12 for each in page["categories"]] == [True] * 9 + [False]


async def test_without_a_word_it_is_english_and_the_first_fifty(client: Any) -> None:
    page = await library(client)

    assert (len(page["prompts"]), {prompt["language"] for prompt in page["prompts"]}) == (50, {"en"})


async def test_search_category_and_pages(client: Any) -> None:
    found = await library(client, search="lighthouse")
    cats = await library(client, category="animals", limit=5, offset=5)

    assert found["total"] >= 1
    assert all("lighthouse" in str(prompt).lower() for prompt in found["prompts"])
    assert {prompt["category"] for prompt in cats["prompts"]} == {"animals"}
    assert (len(cats["prompts"]), cats["total"] >= 12) == (5, True)


async def test_a_prompt_of_ones_own(client: Any) -> None:
    about = {"description": "Boats", "category": "landscape", "tags": ["sea"], "language": "en"}
    response = await client.post(PROMPTS, json={"text": " a quiet harbour "} | about)
    prompt, page = response.json()["prompt"], await library(client)

    assert response.json()["message"]
    assert {name: prompt[name] for name in about} == about
    assert (prompt["text"], prompt["is_favorite"], prompt["style"]) == ("a quiet harbour", False, "")
    assert page["prompts"][0] == prompt
    assert prompt["text"] not in str(await library(client, BOB))


async def test_the_category_is_custom_unless_said(client: Any) -> None:
    assert (await kept(client))["category"] == "custom"
    assert (await library(client, category="custom"))["total"] == 1


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"text": " "}, ("text", "blank")),
        ({"text": "x" * 2001}, ("text", "too_long")),
        ({"text": None}, ("text", "wrong_type")),
        ({"description": "x" * 501}, ("description", "too_long")),
        ({"category": "cats"}, ("category", "unknown_choice")),
        ({"language": "tlh"}, ("language", "unknown_choice")),
        ({"tags": "sea"}, ("tags", "wrong_type")),
        ({"tags": ["x"] * 5 + ["y" * 51]}, ("tags.1", "too_long")),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_prompt_that_cannot_be_kept_is_named(
    client: Any, wrong_fields: Any, body: Any, wrong: tuple[str, str]
) -> None:
    assert wrong_fields(await client.post(PROMPTS, json={"text": "fine"} | body)) == [wrong]
    assert (await library(client, category="custom"))["total"] == 0


@pytest.mark.parametrize(
    "query",
    [{"category": "cats"}, {"language": "tlh"}, {"limit": 0}, {"limit": 201}, {"offset": -1}, {"search": "x" * 201}],
)
async def test_a_bad_query_is_named(client: Any, wrong_fields: Any, query: dict[str, Any]) -> None:
    assert [field for field, _ in wrong_fields(await client.get(PROMPTS, params=query))] == list(query)


async def test_favourites_are_each_users_own(client: Any) -> None:
    built_in = (await library(client))["prompts"][3]["id"]
    on = (await client.post(f"{PROMPTS}/{built_in}/favorite")).raise_for_status().json()
    mine, theirs = [await library(client, headers, favorites_only=True) for headers in ({}, BOB)]
    off = (await client.post(f"{PROMPTS}/{built_in}/favorite")).raise_for_status().json()

    assert (on["prompt_id"], on["is_favorite"], off["is_favorite"]) == (built_in, True, False)
    assert ([prompt["id"] for prompt in mine["prompts"]], theirs["total"]) == ([built_in], 0)
    assert mine["prompts"][0]["is_favorite"]
    assert (await library(client, favorites_only=True))["total"] == 0


async def test_own_prompts_can_be_deleted_and_built_in_ones_not(client: Any, is_problem: Any) -> None:
    mine, built_in = (await kept(client))["id"], (await library(client))["prompts"][-1]["id"]
    is_problem(await client.delete(f"{PROMPTS}/{mine}", headers=BOB), 404, "prompt_not_found")
    gone = (await client.delete(f"{PROMPTS}/{mine}")).raise_for_status().json()

    assert gone["success"] is True
    is_problem(await client.delete(f"{PROMPTS}/{mine}"), 404, "prompt_not_found")
    is_problem(await client.delete(f"{PROMPTS}/{built_in}"), 403, "authorization_failed")
    is_problem(await client.post(f"{PROMPTS}/{mine}/favorite"), 404, "prompt_not_found")


async def test_categories_are_open_and_count_what_the_caller_sees(open_service: Any) -> None:
    async with open_service(identify=None, AUTH_ENABLED="true", TRIAL_ENABLED="true") as service:
        stranger = (await service.client.get(f"{PROMPTS}/categories", params={"language": "zh"})).raise_for_status()
        token = (await service.client.post("/api/auth/guest")).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        await service.client.post(PROMPTS, json={"text": "我的", "language": "zh"}, headers=headers)
        guest = (await service.client.get(f"{PROMPTS}/categories", params={"language": "zh"}, headers=headers)).json()
        refused = await service.client.get(PROMPTS)

    assert [each["name"] for each in stranger.json()][-1] == "custom"
    assert (stranger.json()[-1]["count"], guest[-1]["count"], guest[-1]["display_name"]) == (0, 1, "我的提示词")
    assert refused.status_code == 401
