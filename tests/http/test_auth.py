"""Tokens over HTTP: what they open, how they end, and what a lab without sign-in says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.http.visitor import AUTH, GITHUB, OCTOCAT, WEEK, Visitor, opening

from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.read_settings import read_settings


@pytest.fixture
async def visitor(open_service: Any) -> AsyncIterator[Visitor]:
    async with opening(open_service, **GITHUB) as service:
        yield Visitor(service)


@pytest.fixture
async def trial_visitor(open_service: Any) -> AsyncIterator[Visitor]:
    async with opening(open_service, **AUTH, TRIAL_ENABLED="true") as service:
        yield Visitor(service)


@pytest.fixture
async def stranger(open_service: Any) -> AsyncIterator[Visitor]:
    """In front of a lab without sign-in, although GitHub would be configured."""
    async with opening(open_service, **GITHUB | {"AUTH_ENABLED": "false", "TRIAL_ENABLED": "true"}) as service:
        yield Visitor(service)


async def test_status_knows_who_is_signed_in(visitor: Visitor) -> None:
    response = await visitor.ask("GET", "status", await visitor.token())

    assert response.json() == {
        "authenticated": True,
        "user": OCTOCAT,
        "auth_enabled": True,
        "trial_enabled": False,
        "providers": ["github"],
    }


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c"])
async def test_status_is_never_401(visitor: Visitor, token: str | None) -> None:
    response = await visitor.ask("GET", "status", token)

    assert response.status_code == 200
    assert (response.json()["authenticated"], response.json()["user"]) == (False, None)


async def test_a_token_is_refused_after_logout(visitor: Visitor, is_problem: Any) -> None:
    token = await visitor.token()
    response = await visitor.ask("POST", "logout", token)

    assert (response.status_code, response.json()) == (200, {"success": True, "message": "Signed out."})
    for method, path in (("GET", "me"), ("POST", "logout"), ("POST", "refresh")):
        is_problem(await visitor.ask(method, path, token), 401, "authentication_failed")
    assert not (await visitor.ask("GET", "status", token)).json()["authenticated"]


async def test_a_token_is_refused_after_its_days(open_service: Any, is_problem: Any) -> None:
    async with opening(open_service, **GITHUB, JWT_EXPIRE_DAYS="2") as service:
        visitor = Visitor(service)
        token = await visitor.token()
        visitor.clock.advance(2 * 86400 + 31)

        is_problem(await visitor.ask("GET", "me", token), 401, "authentication_failed")


async def test_refresh_exchanges_a_token(visitor: Visitor, is_problem: Any) -> None:
    old = await visitor.token()
    response = await visitor.ask("POST", "refresh", old)
    body = response.json()

    assert (response.status_code, body["user"], body["token_type"]) == (200, OCTOCAT, "bearer")
    assert body["expires_in"] == WEEK
    assert (await visitor.ask("GET", "me", body["access_token"])).status_code == 200
    is_problem(await visitor.ask("GET", "me", old), 401, "authentication_failed")


async def test_of_racing_refreshes_exactly_one_gets_a_token(visitor: Visitor) -> None:
    token = await visitor.token()
    answers = await asyncio.gather(*(visitor.ask("POST", "refresh", token) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


@pytest.mark.parametrize(("method", "path"), [("GET", "me"), ("POST", "logout"), ("POST", "refresh")])
async def test_without_a_token_there_is_nobody(visitor: Visitor, is_problem: Any, method: str, path: str) -> None:
    response = await visitor.ask(method, path)

    is_problem(response, 401, "authentication_failed")
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_everything_else_belongs_to_who_the_token_names(visitor: Visitor, is_problem: Any) -> None:
    headers = {"Authorization": f"Bearer {await visitor.token()}"}
    made = await visitor.client.post("/api/generate", json={"prompt": "a corgi"}, headers=headers)

    assert made.json()["image"]["key"].startswith("users/6fac44aa6f9ae93e/")
    is_problem(await visitor.client.get(made.json()["image"]["url"]), 401, "authentication_failed")
    assert (await visitor.client.get("/api/history", headers=headers)).json()["total"] == 1


async def test_a_guest_gets_a_token_and_a_name(trial_visitor: Visitor) -> None:
    response = await trial_visitor.ask("POST", "guest")
    body = response.json()
    user = (await trial_visitor.ask("GET", "me", body["access_token"])).json()

    assert (response.status_code, body["token_type"], body["expires_in"], body["user"]) == (200, "bearer", WEEK, user)
    assert user["login"].startswith("guest-")
    assert (user["email"], user["avatar_url"]) == (None, None)


async def test_two_guests_are_two_owners(trial_visitor: Visitor) -> None:
    users = [(await trial_visitor.ask("POST", "guest")).json()["user"] for _ in range(2)]

    assert users[0]["user_folder_id"] != users[1]["user_folder_id"]


async def test_where_only_guests_come_nobody_signs_in(trial_visitor: Visitor, is_problem: Any) -> None:
    status = (await trial_visitor.ask("GET", "status")).json()

    assert (status["auth_enabled"], status["trial_enabled"], status["providers"]) == (True, True, [])
    is_problem(await trial_visitor.ask("GET", "login"), 503, "service_unavailable")
    is_problem(await trial_visitor.ask("POST", "callback", json={}), 503, "service_unavailable")


async def test_without_a_trial_there_are_no_guests(visitor: Visitor, is_problem: Any) -> None:
    is_problem(await visitor.ask("POST", "guest"), 403, "authorization_failed")


async def test_a_guest_is_sent_away_once_the_trial_is_over(
    open_service: Any, trial_visitor: Visitor, is_problem: Any
) -> None:
    token = (await trial_visitor.ask("POST", "guest")).json()["access_token"]
    async with opening(open_service, **AUTH) as service:
        later = Visitor(service)

        is_problem(await later.ask("GET", "me", token), 401, "authentication_failed")
        assert not (await later.ask("GET", "status", token)).json()["authenticated"]


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "login", {}),
        ("GET", "login", {"params": {"redirect_uri": "https://evil.test"}}),
        ("POST", "callback", {"json": {"code": "x", "state": "y"}}),
        ("POST", "callback", {"content": b"{"}),
        ("POST", "callback", {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
        ("GET", "callback", {}),
        ("GET", "callback", {"params": {"error": "access_denied"}}),
        ("POST", "guest", {}),
    ],
)
async def test_a_lab_without_sign_in_says_so(
    stranger: Visitor, is_problem: Any, method: str, path: str, options: Any
) -> None:
    response = await stranger.client.request(method, f"/api/auth/{path}", **options)

    is_problem(response, 503, "service_unavailable")


async def test_a_lab_without_sign_in_has_no_users(visitor: Visitor, stranger: Visitor, is_problem: Any) -> None:
    token = await visitor.token()  # signed with the same key
    status = (await stranger.ask("GET", "status", token)).json()

    assert (status["authenticated"], status["user"], status["auth_enabled"]) == (False, None, False)
    assert status["providers"] == []
    is_problem(await stranger.ask("GET", "me", token), 401, "authentication_failed")
    is_problem(await stranger.ask("POST", "refresh", token), 401, "authentication_failed")
    assert (await stranger.ask("POST", "logout", token)).json()["success"] is True
    assert (await stranger.ask("POST", "logout")).json()["success"] is True


async def test_a_token_is_not_taken_on_trust_while_the_store_is_down(
    visitor: Visitor, unreliable: Any, mishap: Any, open_service: Any, is_problem: Any
) -> None:
    token = await visitor.token()
    down = unreliable(visitor.service.key_values, mishap(StoreUnavailable("key-value store"), "get", "commit"))
    async with open_service(identify=None, key_values=down, clock=visitor.clock, **GITHUB) as service:
        for method, path in (("GET", "me"), ("GET", "status"), ("POST", "logout"), ("GET", "login")):
            is_problem(await Visitor(service).ask(method, path, token), 503, "service_unavailable")


async def test_a_refresh_whose_end_is_unknown_still_gives_a_token(
    visitor: Visitor, unreliable: Any, mishap: Any, open_service: Any
) -> None:
    token = await visitor.token()
    down = unreliable(visitor.service.key_values, mishap(StoreUnavailable("key-value store"), "commit", applied=True))
    async with open_service(identify=None, key_values=down, clock=visitor.clock, **GITHUB) as service:
        body = (await Visitor(service).ask("POST", "refresh", token)).json()

    assert (await visitor.ask("GET", "me", body["access_token"])).json() == OCTOCAT


async def test_a_web_page_may_send_tokens_but_never_cookies(visitor: Visitor) -> None:
    """With credentials a browser would let any page of an allowed origin act as whoever is signed in."""
    origin = {"Origin": "https://app.test"}
    asking = origin | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    before = await visitor.client.options("/api/auth/me", headers=asking)
    after = await visitor.client.get("/api/auth/status", headers=origin)

    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    for response in (before, after):
        assert "access-control-allow-credentials" not in response.headers
        assert "set-cookie" not in response.headers


async def test_a_lab_without_sign_in_makes_no_tokens_and_needs_no_key_for_them(tmp_path: Any) -> None:
    app = create_app(read_settings({"DATA_DIR": str(tmp_path / "data")}))
    async with app.lifespan():
        pass

    assert not (tmp_path / "data" / "secret_key").exists()
