"""The way to GitHub and back, over HTTP: what the two routes answer, and who gets no token."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from tests.http.visitor import APP, CALLBACK, GITHUB, OCTOCAT, WEEK, Visitor, opening


@pytest.fixture
async def visitor(open_service: Any) -> AsyncIterator[Visitor]:
    async with opening(open_service, **GITHUB) as service:
        yield Visitor(service)


async def test_a_user_signs_in_with_code_and_state(visitor: Visitor) -> None:
    response = await visitor.client.post("/api/auth/callback", json=await visitor.arrival())
    body = response.json()
    me = await visitor.ask("GET", "me", body.pop("access_token"))

    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert body == {"token_type": "bearer", "expires_in": WEEK, "user": OCTOCAT}
    assert (me.status_code, me.json()) == (200, OCTOCAT)


async def test_login_answers_the_page_and_the_state_it_was_told(visitor: Visitor) -> None:
    response = await visitor.client.get("/api/auth/login")
    body = response.json()
    query = parse_qs(urlsplit(body["url"]).query)

    assert (response.status_code, response.headers["cache-control"], set(body)) == (200, "no-store", {"url", "state"})
    assert (query["state"], query["redirect_uri"], query["code_challenge_method"]) == (
        [body["state"]],
        [CALLBACK],
        ["S256"],
    )


@pytest.mark.parametrize("address", [CALLBACK, APP, "com.example.lab:/signed-in", "https://pages.test/any?thing=1"])
async def test_an_address_on_the_list_is_where_the_browser_comes_back_to(visitor: Visitor, address: str) -> None:
    page = await visitor.login(redirect_uri=address)

    assert parse_qs(urlsplit(page["url"]).query)["redirect_uri"] == [address]


async def test_the_browser_may_come_back_by_way_of_the_service_to_an_address_on_the_list(visitor: Visitor) -> None:
    way_back = f"{CALLBACK}?redirect_to={quote('https://pages.test/any?thing=1', safe='')}"
    page = await visitor.login(redirect_uri=way_back)

    assert parse_qs(urlsplit(page["url"]).query)["redirect_uri"] == [way_back]


async def test_an_empty_address_means_the_default(visitor: Visitor) -> None:
    page = await visitor.login(redirect_uri="")

    assert parse_qs(urlsplit(page["url"]).query)["redirect_uri"] == [CALLBACK]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test",
        "//app.test",
        f"{APP}/more",
        "https://pages.test@evil.test",
        f"{CALLBACK}?redirect_to=//x.test",
    ],
)
async def test_any_other_address_is_refused_by_name(visitor: Visitor, wrong_fields: Any, address: str) -> None:
    response = await visitor.client.get("/api/auth/login", params={"redirect_uri": address})

    assert wrong_fields(response) == [("redirect_uri", "redirect_not_allowed")]


@pytest.mark.parametrize(
    "change",
    [{"state": None}, {"state": ""}, {"state": "0" * 32}, {"state": "forged"}, {"state": "\u0000"}],
    ids=["null", "empty", "unknown", "malformed", "odd"],
)
async def test_a_state_that_was_not_given_out_is_401(visitor: Visitor, is_problem: Any, change: dict[str, Any]) -> None:
    response = await visitor.client.post("/api/auth/callback", json=await visitor.arrival() | change)

    is_problem(response, 401, "authentication_failed")


@pytest.mark.parametrize("rest", [{"code": "c0ffee"}, {}, {"state": ""}, {"code": "c0ffee", "state": ""}], ids=str)
async def test_a_missing_state_is_401_whatever_else_is_missing(
    visitor: Visitor, is_problem: Any, rest: dict[str, str]
) -> None:
    is_problem(await visitor.client.post("/api/auth/callback", json=rest), 401, "authentication_failed")
    is_problem(await visitor.ask("GET", "callback", params=rest), 401, "authentication_failed")
    is_problem(await visitor.ask("GET", "callback", params=rest | {"error": "x"}), 401, "authentication_failed")


@pytest.mark.parametrize("code", [{}, {"code": ""}, {"code": "x" * 1001}], ids=["none", "empty", "endless"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_who_brings_no_code_has_not_used_up_the_state(
    visitor: Visitor, method: str, code: dict[str, str]
) -> None:
    arrival = await visitor.arrival()
    incomplete = {"state": arrival["state"]} | code
    refused = await visitor.client.request(method, "/api/auth/callback", json=incomplete, params=incomplete)

    assert refused.status_code == 422
    assert (await visitor.client.post("/api/auth/callback", json=arrival)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_used_state_is_401(visitor: Visitor, is_problem: Any, method: str) -> None:
    arrival = await visitor.arrival()
    await visitor.client.post("/api/auth/callback", json=arrival)
    again = await visitor.client.request(method, "/api/auth/callback", json=arrival, params=arrival)

    is_problem(again, 401, "authentication_failed")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_state_of_ten_minutes_ago_is_401(visitor: Visitor, is_problem: Any, method: str) -> None:
    arrival = await visitor.arrival()
    visitor.clock.advance(600)
    late = await visitor.client.request(method, "/api/auth/callback", json=arrival, params=arrival)

    is_problem(late, 401, "authentication_failed")


async def test_of_racing_callbacks_exactly_one_signs_in(visitor: Visitor) -> None:
    arrival = await visitor.arrival()
    answers = await asyncio.gather(*(visitor.client.post("/api/auth/callback", json=arrival) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"state": "0" * 32}, [("code", "missing")]),
        ({"state": "0" * 32, "code": None}, [("code", "missing")]),
        ({"code": "", "state": "0" * 32}, [("code", "too_short")]),
        ({"code": "x" * 1001, "state": "0" * 32}, [("code", "too_long")]),
        ({"code": 5, "state": True}, [("code", "wrong_type"), ("state", "wrong_type")]),
        ({"code": 5}, [("code", "wrong_type")]),
        ({"state": []}, [("state", "wrong_type")]),
        ([], [("body", "wrong_type")]),
    ],
    ids=["missing", "null", "empty", "endless", "types", "type of code", "type of state", "list"],
)
async def test_what_cannot_be_a_callback_is_422(visitor: Visitor, wrong_fields: Any, body: Any, wrong: Any) -> None:
    assert wrong_fields(await visitor.client.post("/api/auth/callback", json=body)) == wrong


async def test_a_browser_without_a_code_is_422(visitor: Visitor, wrong_fields: Any) -> None:
    response = await visitor.ask("GET", "callback", params={"state": "0" * 32})

    assert wrong_fields(response) == [("code", "missing")]


@pytest.mark.parametrize("address", [APP, "com.example.lab:/signed-in", "https://pages.test/a/b?c=d"])
async def test_a_browser_goes_on_with_the_token_in_the_fragment(visitor: Visitor, address: str) -> None:
    response = await visitor.ask("GET", "callback", params=await visitor.arrival() | {"redirect_to": address})
    target, _, fragment = response.headers["location"].partition("#")
    token = parse_qs(fragment)["token"][0]

    assert (response.status_code, response.content, target) == (302, b"", address)
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert fragment == f"token={token}"
    assert (await visitor.ask("GET", "me", token)).json() == OCTOCAT


@pytest.mark.parametrize(
    "address", ["", "https://evil.test", "//evil.test", "https://pages.test\\@evil.test", f"{APP}#"]
)
async def test_a_browser_is_not_sent_anywhere_else(visitor: Visitor, address: str) -> None:
    response = await visitor.ask("GET", "callback", params=await visitor.arrival() | {"redirect_to": address})

    assert (response.status_code, "location" in response.headers) == (200, False)
    assert response.json()["user"] == OCTOCAT
    assert (await visitor.ask("GET", "me", response.json()["access_token"])).status_code == 200


async def test_a_browser_whose_user_refused_is_401_and_has_used_up_the_state(visitor: Visitor, is_problem: Any) -> None:
    arrival = await visitor.arrival()
    refusal = {"error": "access_denied", "error_description": "No.", "state": arrival["state"], "redirect_to": APP}

    is_problem(await visitor.ask("GET", "callback", params=refusal), 401, "authentication_failed")
    is_problem(await visitor.client.post("/api/auth/callback", json=arrival), 401, "authentication_failed")


async def test_a_refusal_counts_even_beside_a_code(visitor: Visitor, is_problem: Any) -> None:
    params = await visitor.arrival() | {"error": "access_denied"}

    is_problem(await visitor.ask("GET", "callback", params=params), 401, "authentication_failed")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_github_out_of_reach_is_503_and_the_same_request_does_later(
    visitor: Visitor, is_problem: Any, method: str
) -> None:
    arrival = await visitor.arrival()
    visitor.service.github.available = False
    away = await visitor.client.request(method, "/api/auth/callback", json=arrival, params=arrival)
    visitor.service.github.available = True
    later = await visitor.client.request(method, "/api/auth/callback", json=arrival, params=arrival)

    is_problem(away, 503, "service_unavailable")
    assert int(away.headers["retry-after"]) >= 1
    assert (later.status_code, later.json()["user"]) == (200, OCTOCAT)


@pytest.mark.parametrize("query", [{}, {"redirect_to": APP}, {"error": "access_denied"}], ids=str)
async def test_looking_at_the_link_back_neither_signs_in_nor_uses_it_up(
    visitor: Visitor, query: dict[str, str]
) -> None:
    """Mail and chat programs look at links with HEAD before anybody follows them."""
    arrival = await visitor.arrival()
    looked = await visitor.ask("HEAD", "callback", params=arrival | query)

    assert (looked.status_code, looked.headers["allow"]) == (405, "GET, POST")
    assert looked.headers["content-type"] == "application/problem+json"
    assert (await visitor.ask("GET", "callback", params=arrival)).json()["user"] == OCTOCAT
