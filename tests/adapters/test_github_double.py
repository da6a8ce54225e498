"""The stand-in for GitHub: it names its users like GitHub, fails on demand, and is honest about what it saw."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx2
import msgspec
import pytest
from tests.adapters.github_steps import VERIFIER, authorize, bearer, brought_back, exchange, token_of

from nano_banana_lab.testing import github as package
from nano_banana_lab.testing.github import GitHubDouble
from nano_banana_lab.testing.github.accounts import MONA, Account
from nano_banana_lab.testing.github.app import UnknownFault
from nano_banana_lab.testing.github.refusals import MEANINGS
from nano_banana_lab.testing.github.wire import fingerprint


@pytest.fixture
def http(github: GitHubDouble) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=github.url, trust_env=False, timeout=30) as http:
        yield http


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_a_token_names_its_user(http, github, prefix):
    github.sign_in(Account(id=12, login="somebody", name="Some Body"))

    profile = http.get(f"{prefix}/user", headers=bearer(token_of(http, github))).json()

    assert (profile["id"], profile["login"], profile["name"], profile["email"]) == (12, "somebody", "Some Body", None)


def test_an_address_may_suggest_who_agrees(http, github):
    profile = http.get("/user", headers=bearer(token_of(http, github, login=MONA.login))).json()

    assert profile["login"] == "mona"


@pytest.mark.parametrize("scope", ["read:user user:email", "user", "user:email"])
def test_private_addresses_are_shown_to_whoever_was_allowed(http, github, scope):
    emails = http.get("/user/emails", headers=bearer(token_of(http, github, login="mona", scope=scope))).json()

    assert [(each["email"], each["primary"], each["verified"]) for each in emails] == [
        ("old-mona@example.org", False, True),
        ("mona@example.org", True, True),
    ]


def test_private_addresses_are_not_found_without_the_scope(http, github):
    assert http.get("/user/emails", headers=bearer(token_of(http, github, scope="read:user"))).status_code == 404


@pytest.mark.parametrize("headers", [{}, bearer("gho_unknown"), {"authorization": "Basic gho_x"}])
def test_without_a_token_nobody_is_named(http, github, headers):
    answer = http.get("/user", headers=headers)

    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_a_client_that_does_not_say_what_it_is_is_refused(http, github):
    request = http.build_request("GET", "/user", headers=bearer(token_of(http, github)))
    del request.headers["user-agent"]

    assert http.send(request).status_code == 403


@pytest.mark.parametrize("path", ["/users/octocat", "/login/oauth/access_token", "/api/v3"])
def test_the_rest_of_github_is_left_out(http, path):
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(("fault", "status"), [("503", 503), ("html", 200), ("redirect", 302), ("say 200 {}", 200)])
def test_a_script_applies_to_its_endpoint_until_everything_is_forgotten(http, github, fault, status):
    token = token_of(http, github)
    http.post("/__double__/script", json={"user": fault})
    scripted, other = http.get("/user", headers=bearer(token)), http.get("/user/emails", headers=bearer(token))
    http.delete("/__double__/requests")

    assert (scripted.status_code, other.status_code) == (status, 200)
    assert http.get("/user", headers=bearer(token)).json()["login"] == "octocat"
    assert len(github.requests) == 1


@pytest.mark.parametrize("fault", ["cut", "disconnect"])
def test_a_connection_can_break(http, github, fault):
    github.script(user=fault)

    with pytest.raises(httpx2.RemoteProtocolError):
        http.get("/user")


def test_a_request_can_hang_while_others_are_answered(http, github):
    github.script(user="hang")
    failures = []

    def hanging() -> None:
        with (
            httpx2.Client(base_url=github.url, trust_env=False, timeout=0.3) as other,
            pytest.raises(httpx2.ReadTimeout) as failed,
        ):
            other.get("/user")
        failures.append(failed.type)

    call = threading.Thread(target=hanging)
    call.start()
    assert http.get("/").status_code == 200
    call.join(30)

    assert failures == [httpx2.ReadTimeout]


def test_an_answer_can_be_endless(http, github):
    github.script(user="endless")

    with http.stream("GET", "/user") as answer:
        seen = 0
        for chunk in answer.iter_raw():
            seen += len(chunk)
            if seen > 1_000_000:
                break

    assert seen > 1_000_000


@pytest.mark.parametrize("script", [{"user": "unheard-of"}, {"nowhere": "503"}])
def test_a_script_that_means_nothing_is_refused(http, github, script):
    with pytest.raises(UnknownFault):
        github.script(**script)
    assert http.post("/__double__/script", json=script).status_code == 400


def test_requests_are_remembered_without_what_is_secret(http, github):
    code = brought_back(authorize(http, github))["code"]
    token = exchange(http, github, code)["access_token"]
    http.get("/user", headers=bearer(token))

    told = http.get("/__double__/requests")

    assert [secret for secret in (code, token, VERIFIER, github.client_secret) if secret in told.text] == []
    assert [seen["status"] for seen in told.json()] == [302, 200, 200]
    assert told.json()[1]["fields"]["code"] == fingerprint(code)
    assert told.json() == msgspec.to_builtins(github.requests)


def test_the_front_page_lists_every_fault(http):
    assert http.get("/").json() == {"endpoints": ["authorize", "emails", "token", "user"], "faults": dict(MEANINGS)}


def test_it_can_be_served_by_itself():
    command = [sys.executable, "-u", "-m", "nano_banana_lab.testing.github", "--port", "0", "--client-id", "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            answer = httpx2.get(f"{url}/login/oauth/authorize?client_id=mine", trust_env=False)
        finally:
            process.terminate()

    assert answer.status_code == 302


def test_the_package_names_every_fault():
    assert [name for name in MEANINGS if name not in (package.__doc__ or "")] == []
