"""Who is let in where: every route of the application is tried, with and without a token."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, WebSocket, asgi, get, route, websocket
from litestar.enums import HttpMethod
from litestar.exceptions import ImproperlyConfiguredException
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.ports import SignInFailed
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.http.gate import GUARDS_ITSELF, Gate
from nano_banana_lab.http.scopes import ANY_TOKEN
from nano_banana_lab.testing.frozen_clock import FrozenClock

OPEN = {
    "GET /",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{path}",
    "GET /docs/openapi.json",
    "GET /docs/oauth2-redirect.html",
    "GET /docs/assets/{file_path}",
    "GET /metrics",
    "GET /api/health",
    "GET /api/health/live",
    "GET /api/health/ready",
    "GET /api/health/detailed",
    "GET /api/auth/status",
    "GET /api/auth/login",
    "GET /api/auth/callback",
    "POST /api/auth/callback",
    "POST /api/auth/guest",
    "GET /api/quota/config",
    "POST /api/generate/estimate",
    "GET /api/prompts/categories",
}
"""Everything that answers without a token where users sign in."""

NOT_COUNTED = {"GET /api/health", "GET /api/history/{picture_id}/image"}
"""Where routes begin that may be asked for as often as one likes, besides those outside of `/api/`."""


def operations(app: Litestar) -> list[str]:
    """Every method and path of the application."""
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    return [f"{method} {route.path_format}" for route in routes for method in route.methods - {"OPTIONS", "HEAD"}]


async def ask(client: httpx.AsyncClient, operation: str, **options: Any) -> httpx.Response:
    method, path = operation.split(" ")
    return await client.request(method, re.sub(r"\{\w+\}", "0" * 32, path), **options)


@pytest.fixture
async def closed_lab(open_service: Any) -> AsyncIterator[Any]:
    """A lab where users sign in, as it is wired for operators."""
    async with open_service(identify=None, AUTH_ENABLED="true", TRIAL_ENABLED="true") as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"Authorization": "Bearer"}, "Bearer"),
        ({"Authorization": "Basic YWxpY2U6"}, "Bearer"),
        ({"X-API-Key": "a-google-key"}, "Bearer"),
        ({"Authorization": "Bearer no.token.of-ours"}, 'Bearer error="invalid_token"'),
    ],
)
async def test_every_route_but_these_demands_a_token_before_it_looks_at_anything_else(
    closed_lab: Any, is_problem: Any, headers: dict[str, str], challenge: str
) -> None:
    all_operations, let_in = operations(closed_lab.app), set()
    for operation in all_operations:
        response = await ask(closed_lab.client, operation, content=b"{neither JSON nor", headers=headers)
        if response.status_code != 401:
            let_in.add(operation)
            continue
        is_problem(response, 401, "authentication_failed")
        assert response.headers["www-authenticate"] == challenge

    assert let_in == OPEN
    assert len(all_operations) > len(OPEN) + 5


async def test_with_a_token_every_route_is_reached(closed_lab: Any) -> None:
    token = (await closed_lab.client.post("/api/auth/guest")).json()["access_token"]
    closed = set(operations(closed_lab.app)) - OPEN - {"POST /api/auth/logout", "POST /api/auth/refresh"}
    answers = {
        operation: (await ask(closed_lab.client, operation, headers={"Authorization": f"Bearer {token}"})).status_code
        for operation in closed
    }

    assert 401 not in answers.values(), answers


async def test_a_revoked_token_opens_nothing(closed_lab: Any, is_problem: Any) -> None:
    token = (await closed_lab.client.post("/api/auth/guest")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    before = await closed_lab.client.get("/api/history", headers=headers)
    await closed_lab.client.post("/api/auth/logout", headers=headers)

    assert before.status_code == 200
    is_problem(await closed_lab.client.get("/api/history", headers=headers), 401, "authentication_failed")


async def test_the_body_of_a_stranger_is_never_read(closed_lab: Any, is_problem: Any) -> None:
    read = []

    async def upload() -> AsyncIterator[bytes]:
        read.append("a chunk")
        yield b"x" * 65536

    response = await closed_lab.client.post("/api/generate", content=upload())

    is_problem(response, 401, "authentication_failed")
    assert read == []


async def test_a_token_that_does_not_hold_closes_no_open_route(closed_lab: Any) -> None:
    headers = {"Authorization": "Bearer no.token.of-ours"}
    response = await closed_lab.client.post("/api/generate/estimate", json={}, headers=headers)

    assert response.status_code == 200


async def test_where_nobody_signs_in_only_what_is_about_a_token_demands_one(open_service: Any) -> None:
    async with open_service(identify=None) as service:
        answers = {each: (await ask(service.client, each)).status_code for each in operations(service.app)}

    assert {each for each, status in answers.items() if status == 401} == {"GET /api/auth/me", "POST /api/auth/refresh"}


class Forgetful:
    """Cannot look anybody up."""

    async def __call__(self, token: str | None) -> Bearer:
        raise StoreUnavailable("key value store")


async def test_who_cannot_be_looked_up_is_told_so_without_asking_the_store_again(
    open_service: Any, unreliable: Any, mishap: Any, is_problem: Any
) -> None:
    store = unreliable(MemoryKeyValueStore(FrozenClock()), mishap(StoreUnavailable("key value store"), "commit"))
    async with open_service(identify=Forgetful(), key_values=store, RATE_LIMIT_ENABLED="true") as service:
        response = await service.client.get("/api/history")
        alive = await service.client.get("/api/health/live", headers={"Authorization": "Bearer alice"})

    is_problem(response, 503, "service_unavailable")
    assert (store.mishap.seen, alive.status_code) == (0, 200)


class Unconvinced:
    """Refuses as a sign-in that failed."""

    async def __call__(self, token: str | None) -> Bearer:
        raise SignInFailed


async def test_a_failed_sign_in_is_not_blamed_on_the_token(open_service: Any, is_problem: Any) -> None:
    async with open_service(identify=Unconvinced()) as service:
        response = await service.client.get("/api/history", headers={"Authorization": "Bearer alice"})

    is_problem(response, 401, "authentication_failed")
    assert response.headers["www-authenticate"] == "Bearer"


async def documented(service: Any) -> dict[str, dict[str, Any]]:
    """What the OpenAPI document says of each operation."""
    paths = (await service.client.get("/openapi.json")).json()["paths"]
    return {f"{method.upper()} {path}": each for path, item in paths.items() for method, each in item.items()}


def codes(operation: dict[str, Any], status: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", operation["responses"].get(status, {}).get("description", "")))


async def test_the_document_says_which_routes_are_open(closed_lab: Any) -> None:
    described = await documented(closed_lab)

    assert {name for name, each in described.items() if each.get("security") == [{}]} == OPEN & described.keys()
    assert [name for name, each in described.items() if each.get("security") not in ([{}], None)] == []


async def test_the_document_names_401_where_a_token_is_demanded(closed_lab: Any) -> None:
    described = await documented(closed_lab)
    signing_in = {"GET /api/auth/callback", "POST /api/auth/callback"}
    demanding = {name for name, each in described.items() if "authentication_failed" in codes(each, "401")}

    assert demanding == (described.keys() - OPEN) | signing_in
    assert codes(described["POST /api/generate"], "401") == {"authentication_failed", "invalid_api_key"}


async def test_the_document_names_429_where_requests_are_counted(closed_lab: Any) -> None:
    described = await documented(closed_lab)
    counted = {name for name in described if "/api/" in name and not name.startswith(tuple(NOT_COUNTED))}

    assert {name for name, each in described.items() if "rate_limit_exceeded" in codes(each, "429")} == counted
    assert all("service_unavailable" in codes(described[name], "503") for name in counted)


async def test_the_document_names_422_wherever_a_key_of_the_callers_own_may_be_sent(service: Any) -> None:
    described, headers = await documented(service), {"X-API-Key": "not a key"}
    picky = {each for each in described if named_key(await ask(service.client, each, headers=headers, json={}))}

    assert picky >= {"GET /api/quota", "GET /api/history/stats", "DELETE /api/history/{picture_id}"}
    assert {each for each in picky if "validation_error" not in codes(described[each], "422")} == set()


def named_key(response: httpx.Response) -> bool:
    """Whether the key is what was wrong with the request."""
    return response.status_code == 422 and "X-API-Key" in response.text


@pytest.mark.parametrize(
    ("settings", "security"),
    [
        ({"AUTH_ENABLED": "true"}, [{"bearer": []}, {"bearer": [], "google_api_key": []}]),
        ({}, [{}, {"google_api_key": []}, {"bearer": []}, {"bearer": [], "google_api_key": []}]),
    ],
)
async def test_the_document_says_whether_a_token_is_needed(
    open_service: Any, settings: dict[str, str], security: list[Any]
) -> None:
    async with open_service(**settings) as service:
        document = (await service.client.get("/openapi.json")).json()

    assert document["security"] == security
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize("is_mount", [False, True])
def test_what_the_gate_cannot_guard_keeps_the_service_from_starting(*, is_mount: bool) -> None:
    @asgi("/api/raw", is_mount=is_mount, copy_scope=True)
    async def raw(scope: Scope, receive: Receive, send: Send) -> None: ...

    with pytest.raises(ImproperlyConfiguredException, match="/api/raw would be open to everybody"):
        Litestar([raw], plugins=[Gate(limiting=True)])


def test_neither_does_a_web_socket_pass_unseen() -> None:
    @websocket("/api/live")
    async def live(socket: WebSocket[Any, Any, Any]) -> None: ...

    with pytest.raises(ImproperlyConfiguredException, match="/api/live"):
        Litestar([live], plugins=[Gate(limiting=True)])


@pytest.mark.parametrize(("opt", "starts"), [(GUARDS_ITSELF, True), ({"guards_itself": False}, False)], ids=str)
def test_what_says_that_it_guards_itself_is_left_to_it(opt: dict[str, Any], *, starts: bool) -> None:
    @asgi("/api/raw", opt=opt, copy_scope=True)
    async def raw(scope: Scope, receive: Receive, send: Send) -> None: ...

    with contextlib.nullcontext() if starts else pytest.raises(ImproperlyConfiguredException):
        Litestar([raw], plugins=[Gate(limiting=True)], openapi_config=None)


def test_a_route_that_does_not_say_what_a_token_needs_keeps_the_service_from_starting() -> None:
    @get("/api/new")
    async def new() -> str:
        return "new"

    with pytest.raises(ImproperlyConfiguredException, match="/api/new would be open to every access token"):
        Litestar([new], plugins=[Gate(limiting=True)], openapi_config=None)


async def test_a_route_that_also_answers_options_is_guarded_all_the_same(closed_lab: Any, is_problem: Any) -> None:
    @route("/api/both", http_method=[HttpMethod.GET, HttpMethod.OPTIONS], opt=ANY_TOKEN)
    async def both() -> str:
        return "in"

    closed_lab.app.register(both)

    is_problem(await closed_lab.client.get("/api/both"), 401, "authentication_failed")
