"""Access tokens over HTTP: how one is had, what it opens, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.http.test_gate import OPEN, ask, operations
from tests.http.visitor import AUTH, GITHUB, OCTOCAT, Visitor, opening

from nano_banana_lab.core.identity.access_tokens import AccessTokens, TokenWish
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.user import User

SCOPES = ("generate", "read", "manage")
OF_ANY_TOKEN = {"GET /api/auth/me", "POST /api/auth/logout", "POST /api/auth/refresh"}
CHANGING_NOTHING = {"POST /api/quota/check"}
FOR_GENERATING = {"POST /api/images", "POST /api/chat", "POST /api/chat/{session_id}/message"}
MANAGING = {
    "POST /api/auth/tokens",
    "GET /api/auth/tokens",
    "POST /api/prompts",
    "POST /api/prompts/{prompt_id}/favorite",
}


def needed(operation: str) -> str | None:
    """The scope that an operation should need, by what it does."""
    method, path = operation.split(" ")
    if operation in OF_ANY_TOKEN:
        return None
    if operation in MANAGING:
        return "manage"
    if method == "GET" or operation in CHANGING_NOTHING:
        return "read"
    writing = path.startswith("/api/prompts/")
    if path.startswith("/api/generate") or operation in FOR_GENERATING or (writing and method == "POST"):
        return "generate"
    return "manage"


class Holder(Visitor):
    """A visitor who has access tokens."""

    async def made(self, session: str, *scopes: str, **wish: Any) -> Any:
        body = {"name": "a frame"} | ({"scopes": list(scopes)} if scopes else {}) | wish
        return await self.ask("POST", "tokens", session, json=body)

    async def text(self, session: str, *scopes: str, **wish: Any) -> str:
        return (await self.made(session, *scopes, **wish)).json()["token"]


@pytest.fixture
async def holder(open_service: Any) -> AsyncIterator[Holder]:
    async with opening(open_service, **GITHUB, TRIAL_ENABLED="true") as service:
        yield Holder(service)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(response: httpx.Response) -> str | None:
    """The scope that was lacking."""
    if response.status_code == 403 and "scope" in response.json()["error"]["details"]:
        return str(response.json()["error"]["details"]["scope"])
    return None


async def test_a_token_is_told_once_and_listed_without_its_text(holder: Holder) -> None:
    session = await holder.token()
    response = await holder.made(session, "read", expires_in_days=90, name="  a frame  ")
    body = response.json()
    listed = (await holder.ask("GET", "tokens", session)).json()
    text = body.pop("token")

    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert body == {
        "id": body["id"],
        "name": "a frame",
        "prefix": text[:8],
        "scopes": ["read"],
        "created_at": "2026-11-22T12:00:00.000Z",
        "last_used_at": None,
        "expires_at": "2027-02-20T12:00:00.000Z",
    }
    assert listed == {"tokens": [body], "total": 1}


async def test_a_token_makes_pictures_and_looks_at_them_unless_told_otherwise(holder: Holder) -> None:
    body = (await holder.made(await holder.token())).json()

    assert (body["scopes"], body["expires_at"]) == (["generate", "read"], None)


async def test_a_token_is_its_user(holder: Holder) -> None:
    session = await holder.token()
    token = await holder.text(session)
    made = await holder.client.post("/api/generate", json={"prompt": "a corgi"}, headers=bearing(token))
    status = (await holder.ask("GET", "status", token)).json()
    seen = await holder.client.get("/api/history", headers=bearing(session))

    assert made.json()["image"]["key"].startswith(f"users/{OCTOCAT['user_folder_id']}/")
    assert ((await holder.ask("GET", "me", token)).json(), status["user"]) == (OCTOCAT, OCTOCAT)
    assert (status["authenticated"], seen.json()["total"]) == (True, 1)


async def test_when_it_was_last_used_is_listed(holder: Holder) -> None:
    session = await holder.token()
    token = await holder.text(session)
    holder.clock.advance(5)
    for _ in range(2):
        await holder.ask("GET", "me", token)
    await (await holder.service.app.state.dishka_container.get(LastUsed)).finish()
    [listed] = (await holder.ask("GET", "tokens", session)).json()["tokens"]

    assert listed["last_used_at"] == "2026-11-22T12:00:05.000Z"


async def test_a_revoked_token_opens_nothing(holder: Holder, is_problem: Any) -> None:
    session = await holder.token()
    body = (await holder.made(session)).json()
    revoked = await holder.ask("DELETE", f"tokens/{body['id']}", session)
    response = await holder.client.get("/api/history", headers=bearing(body["token"]))

    assert revoked.json() == {"success": True, "message": "Revoked the access token."}
    is_problem(response, 401, "authentication_failed")
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert not (await holder.ask("GET", "status", body["token"])).json()["authenticated"]
    is_problem(await holder.ask("DELETE", f"tokens/{body['id']}", session), 404, "not_found")


async def test_an_expired_token_opens_nothing(holder: Holder, is_problem: Any) -> None:
    token = await holder.text(await holder.token(), expires_in_days=30)
    holder.clock.advance(30 * 86400)

    is_problem(await holder.ask("GET", "me", token), 401, "authentication_failed")


async def test_every_closed_route_lets_in_the_scope_it_names_and_no_other(holder: Holder) -> None:
    session = await holder.token()
    tokens = {scope: await holder.text(session, scope) for scope in SCOPES}
    closed = sorted(set(operations(holder.service.app)) - OPEN - {"POST /api/auth/logout"})
    lacking = {
        (operation, scope): refusal(await ask(holder.client, operation, headers=bearing(token)))
        for operation in closed
        for scope, token in tokens.items()
    }

    for (operation, scope), found in lacking.items():
        assert found == (None if needed(operation) in (None, scope) else needed(operation)), (operation, scope)
    assert len(closed) > 30
    assert {needed(operation) for operation in closed} == {*SCOPES, None}


async def test_who_lacks_a_scope_is_told_before_the_body_is_read(holder: Holder, is_problem: Any) -> None:
    token = await holder.text(await holder.token(), "read")
    read = []

    async def upload() -> AsyncIterator[bytes]:
        read.append("a chunk")
        yield b"x" * 65536

    response = await holder.client.post("/api/generate", content=upload(), headers=bearing(token))

    problem = is_problem(response, 403, "authorization_failed")
    assert problem["error"]["details"] == {"scope": "generate"}
    assert "generate" in problem["detail"]
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="generate"'
    assert (read, holder.service.model.requests) == ([], [])


async def test_a_session_may_do_everything(holder: Holder) -> None:
    session = await holder.token()
    closed = set(operations(holder.service.app)) - OPEN - OF_ANY_TOKEN
    answers = {each: await ask(holder.client, each, headers=bearing(session)) for each in closed}

    assert {each for each, answer in answers.items() if refusal(answer) or answer.status_code == 401} == set()


async def test_the_document_names_the_scope_of_every_closed_route(holder: Holder) -> None:
    paths = (await holder.client.get("/openapi.json")).json()["paths"]
    described = {f"{method.upper()} {path}": each for path, item in paths.items() for method, each in item.items()}

    for operation in described.keys() - OPEN:
        scope = needed(operation)
        told = f"needs the scope `{scope}`" if scope else ""
        assert told in described[operation]["description"], operation
        assert scope is None or "`authorization_failed`" in described[operation]["responses"]["403"]["description"]
    assert all("needs the scope" not in described[operation]["description"] for operation in OPEN & described.keys())


async def test_a_token_makes_others_only_within_its_scopes(holder: Holder, is_problem: Any) -> None:
    session = await holder.token()
    manager, reader = [await holder.text(session, *scopes) for scopes in (("manage", "read"), ("read",))]
    more = await holder.made(manager, "read", "generate")

    assert (await holder.made(manager, "read")).json()["scopes"] == ["read"]
    assert is_problem(more, 403, "authorization_failed")["error"]["details"] == {"scope": "generate"}
    assert refusal(await holder.made(reader, "read")) == "manage"


async def test_a_token_is_not_exchanged_for_a_session(holder: Holder, is_problem: Any) -> None:
    token = await holder.text(await holder.token(), *SCOPES)

    is_problem(await holder.ask("POST", "refresh", token), 403, "authorization_failed")
    assert (await holder.ask("GET", "me", token)).status_code == 200


async def test_a_token_that_logs_out_revokes_itself_alone(holder: Holder, is_problem: Any) -> None:
    session = await holder.token()
    token, other = [await holder.text(session, "read") for _ in range(2)]
    response = await holder.ask("POST", "logout", token)

    assert response.json() == {"success": True, "message": "Signed out."}
    is_problem(await holder.ask("GET", "me", token), 401, "authentication_failed")
    assert [(await holder.ask("GET", "me", each)).status_code for each in (session, other)] == [200, 200]


async def test_logging_out_leaves_the_tokens_of_a_user(holder: Holder) -> None:
    session = await holder.token()
    token = await holder.text(session)
    await holder.ask("POST", "logout", session)

    assert (await holder.ask("GET", "me", token)).status_code == 200


async def test_guests_have_no_tokens(holder: Holder, is_problem: Any) -> None:
    guest = (await holder.ask("POST", "guest")).json()["access_token"]

    is_problem(await holder.made(guest), 403, "authorization_failed")
    assert (await holder.ask("GET", "tokens", guest)).json() == {"tokens": [], "total": 0}


async def test_there_are_fifty_and_not_one_more(holder: Holder, is_problem: Any) -> None:
    session = await holder.token()
    answers = await asyncio.gather(*[holder.made(session) for _ in range(52)])
    refused = [answer for answer in answers if answer.status_code != 200]

    assert len(refused) == 2
    assert is_problem(refused[0], 403, "authorization_failed")["error"]["details"] == {"most": 50}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("name", "missing")]),
        ({"name": " "}, [("name", "blank")]),
        ({"name": "x" * 101}, [("name", "too_long")]),
        ({"name": "x", "expires_in_days": 0}, [("expires_in_days", "too_small")]),
        ({"name": "x", "expires_in_days": 3651}, [("expires_in_days", "too_large")]),
        ({"name": "x", "scopes": []}, [("scopes", "too_few")]),
        ({"name": "x", "scopes": ["admin"]}, [("scopes.0", "unknown_choice")]),
    ],
)
async def test_a_wish_that_cannot_be_met_is_422(
    holder: Holder, wrong_fields: Any, body: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await holder.ask("POST", "tokens", await holder.token(), json=body)) == wrong


@pytest.mark.parametrize("days", [1, 3650])
async def test_a_token_holds_for_a_day_to_ten_years(holder: Holder, days: int) -> None:
    assert (await holder.made(await holder.token(), expires_in_days=days)).status_code == 200


async def test_a_token_counts_as_its_user(open_service: Any, is_problem: Any) -> None:
    limits = {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_REQUESTS": "5"}
    async with opening(open_service, **GITHUB, **limits) as service:
        holder = Holder(service)
        session = await holder.token()
        token = await holder.text(session)
        answers = [await holder.ask("GET", "me", each) for each in (token, session, token, session)]
        over = await holder.ask("GET", "me", token)

    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["3", "2", "1", "0"]
    is_problem(over, 429, "rate_limit_exceeded")


@pytest.mark.parametrize("value", ["sk-anything-at-all", "nbl_" + "0" * 38, "nbl_", "x", "a.b.c"])
async def test_where_nobody_signs_in_any_value_is_the_single_owner(
    open_service: Any, is_problem: Any, value: str
) -> None:
    async with opening(open_service) as service:
        made = await service.client.post("/api/generate", json={"prompt": "a corgi"}, headers=bearing(value))
        seen = await service.client.get("/api/history")
        token = await service.client.post("/api/auth/tokens", json={"name": "x"}, headers=bearing(value))

    assert (made.status_code, seen.json()["total"]) == (200, 1)
    assert made.json()["image"]["key"].startswith("users/anonymous/")
    is_problem(token, 503, "service_unavailable")


async def test_an_operators_token_opens_a_lab_that_nobody_can_sign_in_to(open_service: Any) -> None:
    async with opening(open_service, **AUTH) as service:
        access_tokens = await service.app.state.dishka_container.get(AccessTokens)
        robot = Bearer.of(User(id="robot", login="robot", user_folder_id="robot"))
        text, _ = await access_tokens.create(robot, TokenWish(name="by the operator"))
        made = await service.client.post("/api/generate", json={"prompt": "a corgi"}, headers=bearing(text.reveal()))

    assert made.json()["image"]["key"].startswith("users/robot/")
