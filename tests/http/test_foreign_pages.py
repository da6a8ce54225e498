"""Where nobody signs in, web pages of other origins have nothing done for them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

EVIL, ALLOWED = "https://evil.example", "https://app.example.org"
PRODUCTION = {"ENVIRONMENT": "production", "CORS_ORIGINS": ALLOWED}
FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://lab.test.evil.example"},
    {"Origin": "http://lab.test:8000"},
    {"Origin": "http://lab.test:443"},
    {"Origin": "http://["},
    {"Origin": "", "Host": ""},
    {"Origin": "null", "Host": ""},
    {"Origin": "http://:80", "Host": ":80"},
    {"Origin": "http://lab.test", "Host": "backend:8000"},  # a proxy that does not pass it on
    {"Origin": "\xff"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "whatever"},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://lab.test", "Sec-Fetch-Site": "cross-site"},
]
WELCOME = [
    {},
    {"Origin": "http://lab.test"},
    {"Origin": "https://lab.test", "Sec-Fetch-Site": "same-origin"},  # behind a proxy that speaks TLS
    {"Origin": "http://lab.test", "Host": "lab.test:80"},
    {"Origin": "https://lab.test", "Host": "lab.test:443"},
    {"Origin": "https://lab.test:443"},
    {"Origin": "https://[::1]:8443", "Host": "[::1]:8443"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": ALLOWED},
    {"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"},
]


def raw(headers: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode("latin-1") for name, value in headers.items()}


@pytest.fixture
async def lab(open_service: Any) -> AsyncIterator[Any]:
    async with open_service(**PRODUCTION) as running:
        yield running


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_foreign_page_can_neither_spend_nor_delete(lab: Any, is_problem: Any, headers: dict[str, str]) -> None:
    """A body without a type needs nobody's leave, as the browser sees it."""
    kept = await lab.kept()
    answers = [
        await lab.client.request(method, path, headers=raw(headers), content=b'{"prompt": "a theft"}')
        for method, path in (
            ("POST", "/api/generate"),
            ("POST", "/api/images"),
            ("DELETE", f"/api/history/{kept.id}"),
            ("POST", "/api/nothing"),
        )
    ]

    for answer in answers[:3]:
        is_problem(answer, 403, "authorization_failed")
    is_problem(answers[3], 404, "not_found")
    assert lab.model.requests == []
    assert (await lab.client.get("/api/history")).json()["total"] == 1


@pytest.mark.parametrize("headers", WELCOME, ids=str)
async def test_programs_and_pages_that_are_allowed_are_served(lab: Any, headers: dict[str, str]) -> None:
    answer = await lab.client.post("/api/generate", json={"prompt": "a corgi"}, headers=headers)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("headers", FOREIGN[:1], ids=str)
async def test_looking_is_left_to_the_browsers_own_rules(lab: Any, headers: dict[str, str]) -> None:
    answer = await lab.client.get("/api/history", headers=headers)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "settings",
    [{}, {"ENVIRONMENT": "production", "AUTH_ENABLED": "true", "TRIAL_ENABLED": "true"}],
    ids=["open to every page", "signed in"],
)
async def test_where_all_pages_may_call_or_need_a_token_they_are_let_in(open_service: Any, settings: Any) -> None:
    async with open_service(**settings) as running:
        estimate = {"mode": "basic", "resolution": "1K", "count": 1}
        answer = await running.client.post("/api/generate/estimate", json=estimate, headers={"Origin": EVIL})

        assert answer.status_code == 200, answer.text


async def test_the_document_says_so_where_it_is_so(open_service: Any, service: Any) -> None:
    async with open_service(**PRODUCTION) as guarded:
        documents = [(await each.client.get("/openapi.json")).json()["paths"] for each in (guarded, service)]

    assert ["403" in each["/api/generate/estimate"]["post"]["responses"] for each in documents] == [True, False]
    assert "403" not in documents[0]["/api/prompts/categories"]["get"]["responses"]
