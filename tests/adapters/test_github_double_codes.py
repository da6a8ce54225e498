"""The codes of the stand-in for GitHub: given out and taken back by GitHub's rules, refused in GitHub's words."""

from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx2
import pytest
from tests.adapters.github_steps import BACK, JSON, VERIFIER, authorize, brought_back, exchange

from nano_banana_lab.testing.github import GitHubDouble
from nano_banana_lab.testing.github.oauth import is_below
from nano_banana_lab.testing.github.server import CALLBACK


@pytest.fixture
def http(github: GitHubDouble) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=github.url, trust_env=False, timeout=30) as http:
        yield http


def test_whoever_is_signed_in_agrees_at_once(http, github):
    answer = authorize(http, github)

    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (302, BACK)
    assert brought_back(answer).keys() == {"code", "state"}
    assert brought_back(answer)["state"] == "the state"


def test_without_a_way_back_the_registered_one_is_taken(http, github):
    answer = authorize(http, github, redirect_uri=None)

    assert answer.headers["location"].startswith(f"{CALLBACK}?code=")


def test_a_way_back_keeps_its_own_query(http, github):
    answer = authorize(http, github, redirect_uri=f"{BACK}?a=b")

    assert brought_back(answer)["a"] == "b"


def test_an_unknown_client_gets_a_page_and_is_sent_nowhere(http, github):
    answer = authorize(http, github, client_id="unknown")

    assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_a_foreign_way_back_is_reported_to_the_registered_one(http, github):
    answer = authorize(http, github, redirect_uri="https://evil.example.org/")

    assert answer.headers["location"].startswith(f"{CALLBACK}?error=redirect_uri_mismatch")
    assert brought_back(answer)["state"] == "the state"


def test_a_user_who_declines_comes_back_without_a_code(http, github):
    github.script(authorize="access_denied")

    said = brought_back(authorize(http, github))

    assert (said["error"], said["state"]) == ("access_denied", "the state")
    assert "code" not in said


@pytest.mark.parametrize(
    "odd",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge": "short"},
    ],
)
def test_only_s256_challenges_are_taken(http, github, odd):
    assert brought_back(authorize(http, github, **odd))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("address", "callback", "expected"),
    [
        ("http://example.com/path", "http://example.com/path", True),
        ("http://example.com/path/subdir/other", "http://example.com/path", True),
        ("http://oauth.example.com/path", "http://example.com/path", True),
        ("http://oauth.example.com/path/subdir/other", "http://example.com/path", True),
        ("http://example.com/bar", "http://example.com/path", False),
        ("http://example.com/pathology", "http://example.com/path", False),
        ("http://example.com/path/../bar", "http://example.com/path", False),
        ("http://example.com/", "http://example.com/path", False),
        ("http://example.com:8080/path", "http://example.com/path", False),
        ("http://oauth.example.com:8080/path", "http://example.com/path", False),
        ("http://example.org", "http://example.com/path", False),
        ("http://evilexample.com/path", "http://example.com/path", False),
        ("https://example.com/path", "http://example.com/path", False),
        ("http://127.0.0.1:1234/path", "http://127.0.0.1/path", True),
        ("http://127.0.0.1:1234/other", "http://127.0.0.1/path", False),
    ],
)
def test_redirects_follow_the_rule_that_github_documents(address, callback, expected):
    assert is_below(address, callback) is expected


def test_a_code_buys_one_token_of_the_scopes_that_were_asked_for(http, github):
    code = brought_back(authorize(http, github))["code"]

    answer, again = exchange(http, github, code), exchange(http, github, code)

    assert answer["access_token"].startswith("gho_")
    assert (answer["scope"], answer["token_type"]) == ("read:user,user:email", "bearer")
    assert again["error"] == "bad_verification_code"


def test_a_refusal_is_described_as_github_describes_it(http, github):
    answer = exchange(http, github, "unknown")

    assert answer["error_description"] == "The code passed is incorrect or expired."
    assert answer["error_uri"].endswith("#bad-verification-code")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_id": "unknown"}, "incorrect_client_credentials"),
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"client_secret": None}, "incorrect_client_credentials"),
        ({"code": None}, "bad_verification_code"),
        ({"code_verifier": "another-verifier-of-forty-three-characters-"}, "bad_verification_code"),
        ({"code_verifier": None}, "bad_verification_code"),
        ({"redirect_uri": f"{BACK}/other"}, "redirect_uri_mismatch"),
    ],
    ids=str,
)
def test_an_exchange_is_refused_for_what_does_not_fit(http, github, fields, error):
    code = brought_back(authorize(http, github))["code"]

    assert exchange(http, github, code, **fields)["error"] == error


def test_a_code_is_good_for_ten_minutes(http, github):
    codes = [brought_back(authorize(http, github))["code"] for _ in range(2)]
    github.let_time_pass(590)
    in_time = exchange(http, github, codes[0])
    github.let_time_pass(10)

    assert "access_token" in in_time
    assert exchange(http, github, codes[1])["error"] == "bad_verification_code"


def test_without_a_challenge_no_verifier_is_needed(http, github):
    code = brought_back(authorize(http, github, code_challenge=None, code_challenge_method=None))["code"]

    assert "access_token" in exchange(http, github, code, code_verifier=None)


@pytest.mark.parametrize("code", ["unknown", None])
def test_whoever_does_not_ask_for_json_gets_a_form(http, github, code):
    code = code or brought_back(authorize(http, github))["code"]
    fields = {"client_id": github.client_id, "client_secret": github.client_secret, "code": code}

    answer = http.post("/login/oauth/access_token", data=fields | {"code_verifier": VERIFIER})

    assert answer.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert {"access_token", "error"} & parse_qs(answer.text).keys()


def test_an_exchange_may_be_json(http, github):
    code = brought_back(authorize(http, github))["code"]
    fields = {"client_id": github.client_id, "client_secret": github.client_secret, "code": code}

    answer = http.post("/login/oauth/access_token", json=fields | {"code_verifier": VERIFIER}, headers=JSON)

    assert "access_token" in answer.json()
