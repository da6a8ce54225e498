"""What is peculiar to GitHub: how it is asked, and what becomes of its answers."""

import json
import subprocess
import sys
from urllib.parse import parse_qs

import pytest
from tests.adapters.github_steps import BACK, VERIFIER, asked, code_for, provider_at, signed_in

from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.github.accounts import MONA, OCTOCAT, Account, Address
from nano_banana_lab.testing.github.wire import fingerprint

PROFILE = {"id": 583231, "login": "octocat", "name": None, "email": "o@example.org", "avatar_url": None}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("host", ["https://github.com", "https://ghe.example.org"])
def test_the_page_is_the_one_of_the_configured_github(host, slash):
    provider = GitHubIdentityProvider("an id", Secret("s"), url=host + slash)

    url = provider.authorization_url(state="the state", challenge="the challenge", redirect_uri=BACK)

    page, _, query = url.partition("?")
    assert page == f"{host}/login/oauth/authorize"
    assert parse_qs(query) == {
        "client_id": ["an id"],
        "scope": ["read:user user:email"],
        "state": ["the state"],
        "code_challenge": ["the challenge"],
        "code_challenge_method": ["S256"],
        "redirect_uri": [BACK],
    }


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("api", ["", "/api/v3"])
async def test_github_enterprise_is_asked_at_its_own_addresses(github, slash, api):
    provider = provider_at(github, url=github.url + slash, api_url=github.url + api + slash)

    user = await signed_in(provider, github, MONA)
    await provider.aclose()

    assert user.login == "mona"
    assert asked(github) == ["/login/oauth/access_token", f"{api}/user", f"{api}/user/emails"]


async def test_the_code_goes_into_a_body_with_the_verifier_and_nothing_into_an_address(provider, github):
    code = await code_for(github)
    await provider.identify(code=code, verifier=VERIFIER, redirect_uri=BACK)

    exchange = github.requests[1]
    assert (exchange.method, exchange.query, exchange.headers["accept"]) == ("POST", {}, "application/json")
    assert exchange.fields == {
        "client_id": github.client_id,
        "client_secret": fingerprint(github.client_secret),
        "code": fingerprint(code),
        "code_verifier": fingerprint(VERIFIER),
        "redirect_uri": BACK,
    }


async def test_without_a_way_back_none_is_sent(provider, github):
    code = await code_for(github, redirect_uri=None)
    await provider.identify(code=code, verifier=VERIFIER, redirect_uri=None)

    assert "redirect_uri" not in github.requests[1].fields


async def test_the_profile_is_asked_for_as_github_wants_it(provider, github):
    await signed_in(provider, github)

    request = github.requests[2]
    assert request.headers["accept"] == "application/vnd.github+json"
    assert request.headers["user-agent"] == "nano-banana-lab"
    assert "authorization" in request.headers
    assert request.query == {}


async def test_who_shows_an_address_to_everybody_is_not_asked_for_more(provider, github):
    user = await signed_in(provider, github, OCTOCAT)

    assert user.email == "octocat@example.org"
    assert asked(github) == ["/login/oauth/access_token", "/user"]


ADDRESSES = [
    ([Address(email="other@e.org", primary=False), Address(email="main@e.org")], "main@e.org"),
    ([Address(email="main@e.org", verified=False), Address(email="other@e.org", primary=False)], None),
    ([Address(email="other@e.org", primary=False)], None),
    ([], None),
]


@pytest.mark.parametrize(("addresses", "expected"), ADDRESSES)
async def test_of_private_addresses_the_primary_one_counts_once_it_is_verified(provider, github, addresses, expected):
    account = Account(id=7, login="reserved", addresses=tuple(addresses))

    assert (await signed_in(provider, github, account)).email == expected


@pytest.mark.parametrize("name", ["name", "email", "avatar_url"])
@pytest.mark.parametrize("text", ["", None, "x" * 513])
async def test_what_a_profile_leaves_empty_or_overdoes_is_left_out(provider, github, name, text):
    github.script(user=f"say 200 {json.dumps(PROFILE | {name: text})}")

    assert getattr(await signed_in(provider, github), name) is None


async def test_what_github_remembers_of_one_user_does_not_follow_the_next(provider, github):
    await signed_in(provider, github, OCTOCAT)
    await signed_in(provider, github, MONA)

    asked_by_us = [request for request in github.requests if request.path != "/login/oauth/authorize"]
    assert [request.headers.get("cookie") for request in asked_by_us] == [None] * 5


async def test_proxies_of_the_environment_never_see_a_secret(github, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    provider = provider_at(github)

    assert (await signed_in(provider, github, OCTOCAT)).login == "octocat"
    await provider.aclose()


async def test_closing_leaves_no_connection_and_the_next_sign_in_opens_one(provider, github):
    await signed_in(provider, github)
    await provider.aclose()
    await github.until(lambda _: github.open_connections == 0)

    assert (await signed_in(provider, github)).login == "octocat"


async def test_closing_what_was_never_used_is_fine():
    assert await GitHubIdentityProvider("id", Secret("secret")).aclose() is None


def test_the_client_of_http_is_not_loaded_before_somebody_signs_in():
    script = (
        "import sys; from nano_banana_lab.adapters.github.identity_provider import *;"
        "GitHubIdentityProvider('id', Secret('s')).authorization_url(state='s', challenge='c', redirect_uri=None);"
        "print('httpx2' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
