"""Signing in with GitHub at two processes that share a store and a secret, as people and their browsers do it."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import jwt
import pytest
from tests.e2e.asking import generate, history, statistics, visiting
from tests.e2e.store_setups import ServiceStores

from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import SystemClock
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.github import GitHubDouble, running_github
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server

SECRET_KEY = "one-secret-of-all-the-processes-0123456789"
CALLBACK, APP, PAGES = "https://lab.example.org/api/auth/callback", "https://app.example.org/in", "https://pages.test"
SETTINGS = {
    "AUTH_ENABLED": "true",
    "SECRET_KEY": SECRET_KEY,
    "GITHUB_REDIRECT_URI": CALLBACK,
    "REDIRECT_ALLOWLIST": f"{APP},{PAGES}",
    "RATE_LIMIT_ENABLED": "false",
    "LOG_LEVEL": "DEBUG",
}
OCTOCAT = User(id="583231", login="octocat", user_folder_id="6fac44aa6f9ae93e")


@dataclass(frozen=True)
class House:
    """Two processes on the same stores, `two` as if GitHub were a server of one's own, and the GitHub that both know."""

    one: LabProcess
    two: LabProcess
    github: GitHubDouble
    stores: ServiceStores


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubDouble]:
    with running_github(callback="https://example.org/") as double:
        yield double


@pytest.fixture(scope="module")
def house(
    folder: Path,
    redis_server: RedisServer,
    s3_server: S3Server,
    gemini_settings: dict[str, str],
    github: GitHubDouble,
) -> Iterator[House]:
    stores = ServiceStores(redis_server, s3_server, "sign-in")
    app = {"GITHUB_CLIENT_ID": github.client_id, "GITHUB_CLIENT_SECRET": github.client_secret, "GITHUB_URL": github.url}
    settings = stores.settings | gemini_settings | SETTINGS | app
    with (
        running_lab(folder / "one", **settings, GITHUB_API_URL=github.url) as one,
        running_lab(folder / "two", **settings, GITHUB_API_URL=f"{github.url}/api/v3") as two,
    ):
        yield House(one, two, github, stores)


@pytest.fixture(autouse=True)
def working_github(github: GitHubDouble) -> None:
    github.clear()


async def agree(
    client: httpx.AsyncClient, login: str = "octocat", redirect_uri: str = APP
) -> tuple[str, dict[str, str]]:
    """Where GitHub sends the browser of a user who agreed, without the query, and what is in the query."""
    page = (await client.get("/api/auth/login", params={"redirect_uri": redirect_uri})).raise_for_status().json()
    back = urlsplit((await client.get(page["url"], params=_query(page["url"]) | {"login": login})).headers["location"])
    return f"{back.scheme}://{back.netloc}{back.path}", _query(back.geturl())


async def sign_in(client: httpx.AsyncClient, login: str = "octocat") -> str:
    """A token of this user, which the client sends from now on."""
    _, arrival = await agree(client, login)
    token = (await client.post("/api/auth/callback", json=arrival)).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return str(token)


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def whoami(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def refused(answer: httpx.Response) -> bool:
    challenge = answer.headers.get("www-authenticate", "")
    return (answer.status_code, answer.json()["code"]) == (401, "authentication_failed") and "Bearer" in challenge


async def test_a_browser_goes_to_github_and_back_and_on_with_its_token(house: House) -> None:
    async with visiting(house.one) as browser:
        way_back = f"{CALLBACK}?redirect_to={quote(PAGES + '/start?tab=new', safe='')}"
        address, query = await agree(browser, redirect_uri=way_back)
        answer = await browser.get("/api/auth/callback", params=query)
        target, _, fragment = answer.headers["location"].partition("#")
        me = (await whoami(browser, parse_qs(fragment)["token"][0])).json()

    assert (address, set(query)) == (CALLBACK, {"redirect_to", "code", "state"})
    assert (answer.status_code, target) == (302, f"{PAGES}/start?tab=new")
    assert (me["id"], me["login"], me["user_folder_id"]) == ("583231", "octocat", "6fac44aa6f9ae93e")


async def test_an_app_sends_the_code_and_state_that_its_page_received(house: House) -> None:
    """With a GitHub Enterprise Server, whose API is below the same address."""
    async with visiting(house.two) as app:
        address, arrival = await agree(app, "mona")
        body = (await app.post("/api/auth/callback", json=arrival)).json()

    assert (address, body["token_type"], body["expires_in"]) == (APP, "bearer", 7 * 86400)
    assert (body["user"]["id"], body["user"]["email"]) == ("9007199254740993", "mona@example.org")
    assert [each.path for each in house.github.requests][-2:] == ["/api/v3/user", "/api/v3/user/emails"]


async def test_a_sign_in_that_one_process_began_another_finishes_once(house: House) -> None:
    async with visiting(house.one) as one, visiting(house.two) as two:
        _, arrival = await agree(one)
        answers = await asyncio.gather(*((one, two)[n % 2].post("/api/auth/callback", json=arrival) for n in range(20)))
        later = await two.post("/api/auth/callback", json=arrival)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert refused(later)
    assert sum(each.path.endswith("/access_token") for each in house.github.requests) == 1


async def test_looking_at_the_link_back_changes_nothing(house: House) -> None:
    async with visiting(house.one) as browser:
        _, arrival = await agree(browser)
        looked = await browser.head("/api/auth/callback", params=arrival)
        followed = await browser.get("/api/auth/callback", params=arrival)

    assert (looked.status_code, looked.headers["allow"], looked.content) == (405, "GET, POST", b"")
    assert followed.status_code == 200


async def test_the_codes_of_two_sign_ins_cannot_be_swapped(house: House) -> None:
    async with visiting(house.one) as browser:
        (_, mine), (_, theirs) = await agree(browser), await agree(browser, "mona")
        swapped = await browser.post("/api/auth/callback", json={"code": theirs["code"], "state": mine["state"]})

    assert refused(swapped)


async def test_a_user_who_refuses_is_not_signed_in(house: House) -> None:
    house.github.script(authorize="access_denied")
    async with visiting(house.one) as browser:
        _, query = await agree(browser)
        answer = await browser.get("/api/auth/callback", params=query | {"redirect_to": APP})

    assert (query["error"], "code" in query) == ("access_denied", False)
    assert refused(answer)


async def test_a_token_logged_out_at_one_process_is_refused_by_the_other(house: House) -> None:
    async with visiting(house.one) as one, visiting(house.two) as two:
        token = await sign_in(one)
        before = await whoami(two, token)
        await one.post("/api/auth/logout")
        after = await whoami(two, token)
        status = (await two.get("/api/auth/status", headers={"Authorization": f"Bearer {token}"})).json()

    assert (before.status_code, status["authenticated"]) == (200, False)
    assert refused(after)


async def test_of_racing_refreshes_at_two_processes_one_gets_a_token(house: House) -> None:
    async with visiting(house.one) as one, visiting(house.two) as two:
        two.headers["Authorization"] = f"Bearer {await sign_in(one)}"
        answers = await asyncio.gather(*((one, two)[n % 2].post("/api/auth/refresh") for n in range(20)))
        [renewed] = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
        assert (await whoami(two, renewed)).status_code == 200
        assert refused(await whoami(two, two.headers["Authorization"].removeprefix("Bearer ")))


def forgeries() -> Iterator[tuple[str, str]]:
    issued = _issuer(SECRET_KEY)
    header, payload, signature = issued.split(".")
    claims = jwt.decode(issued, options={"verify_signature": False})
    long_ago = FrozenClock(SystemClock().now() - timedelta(days=7, seconds=40))
    yield "no algorithm", jwt.encode(claims, None, algorithm="none")
    yield "no signature", f"{header}.{payload}."
    yield "another key", _issuer("another-secret-of-the-same-length-012345678")
    yield "the bare secret", jwt.encode(claims, SECRET_KEY, algorithm="HS256")
    yield "an empty key", jwt.encode(claims, "0" * 64, algorithm="HS512")
    yield "expired", _issuer(SECRET_KEY, clock=long_ago)
    yield "another user's claims", f"{header}.{_issuer(SECRET_KEY).split('.')[1]}.{signature}"
    yield "cut", issued[:-5]
    yield "a scheme too many", f"Bearer {issued}"
    yield "nothing at all", "."


def _issuer(secret: str, **options: Any) -> str:
    clock = options.get("clock", SystemClock())
    issuer = JwtTokenIssuer(Secret(secret), clock=clock, lifetime=timedelta(days=7))
    return issuer.issue(OCTOCAT)[0].reveal()


@pytest.mark.parametrize("forgery", dict(forgeries()))
async def test_a_token_that_was_not_issued_here_opens_nothing(house: House, gemini: GeminiDouble, forgery: str) -> None:
    gemini.clear()
    headers = {"Authorization": f"Bearer {dict(forgeries())[forgery]}"}
    async with visiting(house.one) as client:
        answers = [
            await client.request(method, path, headers=headers, json=body)
            for method, path, body in (
                ("GET", "/api/auth/me", None),
                ("POST", "/api/auth/refresh", None),
                ("POST", "/api/auth/logout", None),
                ("GET", "/api/history", None),
                ("GET", f"/api/history/{'0' * 32}/image", None),
                ("POST", "/api/generate", {"prompt": "a theft"}),
            )
        ]

    assert [refused(answer) for answer in answers] == [True] * 6
    assert [each for each in gemini.requests if each.method == "POST"] == []


async def test_an_issued_token_opens_what_a_forged_one_does_not(house: House) -> None:
    """Or the test above would pass for want of a well-made token."""
    async with visiting(house.one) as client:
        assert (await whoami(client, _issuer(SECRET_KEY))).status_code == 200


async def test_what_one_user_has_does_not_exist_for_another(house: House) -> None:
    async with visiting(house.one) as mona, visiting(house.two) as octocat:
        await sign_in(mona, "mona")
        await sign_in(octocat)
        made = (await generate(mona, "a secret garden")).raise_for_status().json()
        key, url = made["id"], made["image"]["url"]
        answers = [
            await octocat.request(method, path)
            for method, path in (
                ("GET", f"/api/history/{key}"),
                ("GET", f"/api/history/{key}?include_image=true"),
                ("GET", url),
                ("GET", f"{url}?size=thumb"),
                ("DELETE", f"/api/history/{key}"),
            )
        ]
        deleted = (await octocat.request("DELETE", "/api/history", json={"ids": [key]})).json()
        found = (await octocat.get("/api/history", params={"search": "secret"})).json()

        assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "image_not_found")] * 5
        assert (deleted["deleted_count"], found["total"], found["items"]) == (0, 0, [])
        assert key not in {line["id"] for line in await history(octocat)}
        assert (await statistics(octocat))["total_images"] == len(await history(octocat))
        assert [key] == [line["id"] for line in await history(mona)]
        assert (await mona.get(url)).status_code == 200


@pytest.mark.parametrize("fault", [{"token": "disconnect"}, {"token": "503"}, {"user": "garbage"}], ids=str)
async def test_while_github_is_out_of_order_signing_in_is_503(house: House, fault: dict[str, str]) -> None:
    async with visiting(house.one) as browser:
        _, arrival = await agree(browser)
        house.github.script(**fault)
        answer = await browser.post("/api/auth/callback", json=arrival)

    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "retry-after" in answer.headers


async def test_who_asks_again_once_github_is_back_is_signed_in_by_either_process(house: House) -> None:
    async with visiting(house.one) as one, visiting(house.two) as two:
        _, arrival = await agree(one)
        house.github.script(token="503")
        away = await one.post("/api/auth/callback", json=arrival)
        house.github.clear()
        answers = [await client.post("/api/auth/callback", json=arrival) for client in (two, one)]

    assert [each.status_code for each in (away, *answers)] == [503, 200, 401]


async def test_while_github_hangs_others_go_on_and_the_answer_comes_in_time(house: House) -> None:
    async with visiting(house.one, seconds=10) as browser, visiting(house.one) as signed_in:
        token = await sign_in(signed_in)
        _, arrival = await agree(browser)
        house.github.script(token="hang")
        waiting = asyncio.create_task(browser.post("/api/auth/callback", json=arrival))
        await house.github.until(lambda requests: any(each.path.endswith("/access_token") for each in requests[-1:]))
        meanwhile = await whoami(signed_in, token)

        assert (meanwhile.status_code, waiting.done()) == (200, False)
        assert (await waiting).status_code == 503


async def test_no_secret_of_a_sign_in_is_logged_or_stays_in_a_store(house: House) -> None:
    async with visiting(house.one) as browser:
        _, arrival = await agree(browser)
        verifier = _verifier_of(arrival["state"])
        meanwhile = b"\n".join(house.stores.everything().values())
        body = (await browser.post("/api/auth/callback", json=arrival)).json()
        await browser.post("/api/auth/logout", headers={"Authorization": f"Bearer {body['access_token']}"})
    secrets = (*arrival.values(), body["access_token"], verifier, house.github.client_secret, SECRET_KEY)
    kept = meanwhile + b"\n".join(house.stores.everything().values())

    assert b"identity/state/" in meanwhile
    assert hashlib.sha256(verifier.encode()).hexdigest() in [
        each.fields.get("code_verifier") for each in house.github.requests
    ]
    for secret in secrets:
        assert secret.encode() not in kept
        assert secret not in house.one.log() + house.two.log()


def _verifier_of(state: str) -> str:
    digest = hmac.new(SECRET_KEY.encode(), f"pkce:{state}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_processes_without_a_common_secret_warn_and_refuse_each_others_tokens(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    settings = {"REDIS_URL": redis_server.url, "AUTH_ENABLED": "true", "TRIAL_ENABLED": "true"}
    with running_lab(tmp_path / "one", **settings) as one, running_lab(tmp_path / "two", **settings) as two:
        async with visiting(one) as at_one, visiting(two) as at_two:
            token = (await at_one.post("/api/auth/guest")).json()["access_token"]
            answers = [await whoami(client, token) for client in (at_one, at_two)]
        warnings = [lab.log().count("SECRET_KEY is not:") for lab in (one, two)]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert warnings == [1, 1]


async def test_a_lab_that_nobody_can_enter_starts_and_says_so(tmp_path: Path) -> None:
    with running_lab(tmp_path, AUTH_ENABLED="true") as lab:
        async with visiting(lab) as client:
            answers = [await client.get(path) for path in ("/api/auth/login", "/api/history", "/api/auth/status")]
        log = lab.log()

    assert [answer.status_code for answer in answers] == [503, 401, 200]
    assert "Nobody can sign in" in log
