"""Every way in which GitHub can fail, each as exactly one error, and nothing of what it wrote in any of them."""

import asyncio
import json
import traceback
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.github_steps import BACK, VERIFIER, asked, code_for, provider_at, signed_in

from nano_banana_lab.adapters.github.answers import Email, Exchanged, NoUseError, Profile, decoded
from nano_banana_lab.adapters.github.identity_provider import PATIENCE_SECONDS, GitHubIdentityProvider
from nano_banana_lab.core.identity.ports import SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.github.accounts import MONA

CANARY = "canary-in-what-github-wrote"
BROKEN = ["404", "403", "500", "503", "html", "garbage", "empty", "nested", "binary", "redirect", "cut", "disconnect",
          "endless", "say 200 {}", 'say 200 [{"email": 7}]', f'say 200 "{CANARY}"']  # fmt: skip


def everything_about(error: BaseException | None) -> str:
    """The error as it prints, and every error it came from, printed or not."""
    if error is None:
        return ""
    own = "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "details", None))
    return own + everything_about(error.__cause__) + everything_about(error.__context__)


@pytest.mark.parametrize("fault", BROKEN)
async def test_without_the_address_a_user_is_signed_in_all_the_same(provider, github, fault):
    github.script(emails=fault)

    user = await signed_in(provider, github, MONA)

    assert (user.login, user.email) == ("mona", None)


async def test_an_address_that_never_comes_is_not_waited_for_longer_than_there_is_time(github):
    provider = provider_at(github, patience=2)
    await signed_in(provider, github)  # opens the connection, so that only the hanging takes time
    github.script(emails="hang")

    async with asyncio.timeout(30):  # only so that a broken promise fails instead of hanging
        user = await signed_in(provider, github, MONA)
    await provider.aclose()

    assert (user.login, user.email) == ("mona", None)
    await github.until(lambda seen: seen[-1].hung_up)


@pytest.mark.parametrize("endpoint", ["token", "user"])
@pytest.mark.parametrize("fault", [*BROKEN, "429"])
async def test_a_github_that_makes_no_sense_is_unavailable(provider, github, endpoint, fault):
    github.script(**{endpoint: fault})

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)


@pytest.mark.parametrize("endpoint", ["token", "user"])
async def test_a_github_that_hangs_is_unavailable_and_hung_up_on(github, endpoint):
    provider = provider_at(github, patience=1)
    await signed_in(provider, github)  # opens the connection, so that only the hanging takes time
    github.script(**{endpoint: "hang"})

    async with asyncio.timeout(30):  # only so that a broken promise fails instead of hanging
        with pytest.raises(SignInUnavailable):
            await signed_in(provider, github)
    await provider.aclose()

    await github.until(lambda seen: seen[-1].hung_up)


def test_patience_ends_before_the_port_says():
    assert PATIENCE_SECONDS < 10


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        "octocat",
        {"login": "octocat"},
        {"id": None, "login": "octocat"},
        {"id": "583231", "login": "octocat"},
        {"id": 1.5, "login": "octocat"},
        {"id": True, "login": "octocat"},
        {"id": 0, "login": "octocat"},
        {"id": -1, "login": "octocat"},
        {"id": 2**64, "login": "octocat"},
        {"id": 1},
        {"id": 1, "login": ""},
        {"id": 1, "login": "x" * 1000},
        {"id": 1, "login": ["octocat"]},
        {"id": 1, "login": "octocat", "name": {"first": "Octo"}},
        {"id": 1, "login": "octocat", "email": 7},
    ],
    ids=lambda answer: json.dumps(answer)[:50],
)
async def test_an_answer_that_names_nobody_is_no_user(provider, github, answer):
    github.script(user=f"say 200 {json.dumps(answer)}")

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": "line\r\nx-injected: 1"},
        {"access_token": "é"},
        {"access_token": 7},
        {"access_token": "x" * 5000},
        {"error": 7},
        ["gho_x"],
    ],
    ids=lambda answer: json.dumps(answer)[:40],
)
async def test_a_token_that_cannot_be_one_is_not_used(provider, github, answer):
    github.script(token=f"say 200 {json.dumps(answer)}")

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)
    assert asked(github) == ["/login/oauth/access_token"]


@pytest.mark.parametrize("error", ["bad_verification_code", "unverified_user_email", "access_denied", "invalid_grant"])
async def test_what_a_user_can_mend_is_a_failed_sign_in(provider, github, error):
    github.script(token=f'say 200 {{"error": "{error}", "error_description": "{CANARY}"}}')

    with pytest.raises(SignInFailed):
        await signed_in(provider, github)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, SignInFailed), (401, SignInFailed), (406, SignInFailed), (403, SignInUnavailable), (404, SignInUnavailable),
     (429, SignInUnavailable), (500, SignInUnavailable), (503, SignInUnavailable)],
)  # fmt: skip
async def test_an_error_counts_with_the_statuses_that_come_with_one(provider, github, status, error):
    github.script(token=f'say {status} {{"error": "bad_verification_code"}}')

    with pytest.raises(error):
        await signed_in(provider, github)


async def test_an_error_counts_also_beside_a_token(provider, github):
    github.script(token='say 200 {"error": "bad_verification_code", "access_token": "gho_x"}')

    with pytest.raises(SignInFailed):
        await signed_in(provider, github)


@pytest.mark.parametrize("error", ["incorrect_client_credentials", "redirect_uri_mismatch", "application_suspended"])
async def test_what_only_the_operator_can_mend_is_said_in_the_log(provider, github, error, caplog):
    github.script(token=error)

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)

    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [text.startswith("Nobody can sign in with GitHub until this is mended: ") for text in told] == [True]
    assert github.client_secret not in caplog.text


async def test_a_wrong_client_secret_is_said_in_the_log_without_the_secret(github, caplog):
    provider = GitHubIdentityProvider(github.client_id, Secret("wrong-secret"), url=github.url, api_url=github.url)

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)
    await provider.aclose()

    assert "GITHUB_CLIENT_SECRET" in caplog.text
    assert "wrong-secret" not in caplog.text


async def test_what_went_wrong_is_said_in_the_log(provider, github, caplog):
    github.script(user="503")

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)

    assert "GitHub cannot be asked who signs in: status 503 for /user." in caplog.text


@pytest.mark.parametrize("endpoint", ["token", "user"])
async def test_a_redirect_is_not_followed_with_credentials(provider, github, endpoint):
    github.script(**{endpoint: "redirect"})

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)

    assert "/elsewhere" not in asked(github)


async def test_an_answer_that_does_not_end_is_not_read_to_its_end(provider, github, caplog):
    github.script(user="endless")

    with pytest.raises(SignInUnavailable):
        await signed_in(provider, github)

    assert "GitHub cannot be asked who signs in: an endless answer." in caplog.text


@pytest.mark.parametrize(("kilobytes", "error"), [(255, None), (257, SignInUnavailable)])
async def test_an_answer_may_be_far_longer_than_they_are_but_not_of_any_length(provider, github, kilobytes, error):
    github.script(
        user=f'say 200 {{"id": 1, "login": "octocat", "email": "o@e.org", "bio": "{"x" * 1024 * kilobytes}"}}'
    )

    outcome = await asyncio.gather(signed_in(provider, github), return_exceptions=True)

    assert type(outcome[0]) is (error or User)


async def test_what_is_not_even_http_gets_into_no_error_and_no_log(github, caplog):
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CANARY.encode() + b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    caplog.set_level("DEBUG", "nano_banana_lab")
    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        provider = provider_at(github, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(SignInUnavailable) as raised:
            await provider.identify(code="0" * 20, verifier=VERIFIER, redirect_uri=BACK)
        await provider.aclose()

    assert "RemoteProtocolError" in caplog.text
    assert CANARY not in everything_about(raised.value) + caplog.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "https://127.0.0.1:{port}", "http://[::1", "gopher://127.0.0.1", "nowhere", ""]
)
async def test_a_github_that_is_not_there_is_unavailable(github, url):
    address = url.format(port=urlsplit(github.url).port)
    provider = GitHubIdentityProvider("id", Secret("secret"), url=address, api_url=address)

    with pytest.raises(SignInUnavailable):
        await provider.identify(code="0" * 20, verifier=VERIFIER, redirect_uri=BACK)
    await provider.aclose()


async def test_certificates_that_cannot_be_read_make_it_unavailable(github, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    provider = provider_at(github)

    with pytest.raises(SignInUnavailable):
        await provider.identify(code="0" * 20, verifier=VERIFIER, redirect_uri=BACK)


@pytest.mark.parametrize("endpoint", ["token", "user", "emails"])
@pytest.mark.parametrize(
    "answer",
    [
        f'say 200 {{"access_token": "{CANARY} ", "error": null, "id": "{CANARY}", "login": "{CANARY}"}}',
        f'say 200 {{"access_token": "{CANARY}", "error": "{CANARY}"}}',
        f'say 200 {{"{CANARY}": ',
        f'say 200 ["{CANARY}", {{"email": "{CANARY}"}}]',
    ],
)
async def test_nothing_that_github_wrote_gets_into_errors_or_logs(provider, github, endpoint, answer, caplog):
    caplog.set_level("DEBUG")
    code = await code_for(github, MONA)
    caplog.clear()
    github.script(**{endpoint: answer})

    told = ""
    try:
        await provider.identify(code=code, verifier=VERIFIER, redirect_uri=BACK)
    except LabError as error:
        told = everything_about(error)

    told += caplog.text
    assert [secret for secret in (CANARY, code, VERIFIER, github.client_secret, "gho_") if secret in told] == []


async def test_nothing_secret_gets_into_the_log_of_a_sign_in_that_succeeds(provider, github, caplog):
    caplog.set_level("DEBUG")
    code = await code_for(github, MONA)
    caplog.clear()

    await provider.identify(code=code, verifier=VERIFIER, redirect_uri=BACK)

    secrets = [code, VERIFIER, github.client_secret, "gho_", "mona@example.org"]
    assert [secret for secret in secrets if secret in caplog.text] == []


@given(st.binary(max_size=300) | st.text(max_size=100).map(json.dumps).map(str.encode))
def test_whatever_arrives_is_understood_or_of_no_use(body):
    for kind in (Exchanged, Profile, list[Email]):
        try:
            decoded(body, kind, "to a test")
        except NoUseError as error:
            assert str(error) == "an answer that makes no sense (to a test)"  # noqa: PT017 - understanding is fine too


async def test_a_sign_in_that_is_cancelled_hangs_up(provider, github):
    github.script(user="hang")
    call = asyncio.create_task(signed_in(provider, github))
    await github.until(lambda seen: "/user" in [request.path for request in seen])
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await github.until(lambda seen: seen[-1].hung_up)
