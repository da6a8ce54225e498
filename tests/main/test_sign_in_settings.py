"""The settings of sign-in: addresses that are addresses, credentials that are whole, and what is said at the start."""

import pytest

from nano_banana_lab.main.read_settings import SettingsError, read_settings
from nano_banana_lab.main.setting_warnings import warnings_about

PRODUCTION = {"ENVIRONMENT": "production", "SECRET_KEY": "r" * 32, "GOOGLE_API_KEY": "operators-key"}
GITHUB = {"AUTH_ENABLED": "true", "GITHUB_CLIENT_ID": "client", "GITHUB_CLIENT_SECRET": "github-secret"}


def wrong(environ: dict[str, str]) -> list[str]:
    """The names of the settings that a refusal mentions."""
    with pytest.raises(SettingsError) as refused:
        read_settings(environ)
    return [line.partition(":")[0] for line in refused.value.wrong]


@pytest.mark.parametrize(
    ("auth", "client", "secret", "uses"),
    [
        ("true", "client", "secret", True),
        ("false", "client", "secret", False),
        ("true", "", "", False),
    ],
)
def test_people_sign_in_with_github_where_it_is_configured(auth: str, client: str, secret: str, *, uses: bool) -> None:
    environ = {"AUTH_ENABLED": auth, "GITHUB_CLIENT_ID": client, "GITHUB_CLIENT_SECRET": secret}

    assert read_settings(environ).uses_github is uses


@pytest.mark.parametrize("auth", ["true", "false"])
@pytest.mark.parametrize(
    ("given", "missing"),
    [("GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"), ("GITHUB_CLIENT_SECRET", "GITHUB_CLIENT_ID")],
)
def test_half_of_githubs_credentials_is_refused(auth: str, given: str, missing: str) -> None:
    assert wrong({"AUTH_ENABLED": auth, given: "half"}) == [missing]


@pytest.mark.parametrize("name", ["GITHUB_URL", "GITHUB_API_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "github.com",
        "ftp://github.com",
        "com.example.app:/x",
        "https://",
        "https://user:pass@github.com",
        "https://github.com/?x=1",
        "https://github.com/#x",
        "https://github.com:port",
        "https://github.com:99999",
        "https://git hub.com",
    ],
)
def test_github_is_at_a_web_address(name: str, address: str) -> None:
    assert wrong({name: address}) == [name]


def test_github_may_be_a_server_of_ones_own() -> None:
    own = {"GITHUB_URL": "https://git.example.org:8443/", "GITHUB_API_URL": "https://git.example.org:8443/api/v3"}

    assert read_settings(own).github_api_url == own["GITHUB_API_URL"]


@pytest.mark.parametrize("name", ["GITHUB_REDIRECT_URI", "REDIRECT_ALLOWLIST"])
@pytest.mark.parametrize(
    "address",
    [
        "*",
        "app.example.org",
        "localhost:3000",
        "/signed-in",
        "//app.example.org",
        "https://*.example.org",
        "https://app.example.org/#fragment",
        "https://me@app.example.org/",
        "https://app.example.org\\@evil.test/",
        "https://ünï.example.org/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "myapp://signed-in",
    ],
)
def test_a_redirect_leads_to_a_page_or_an_app(name: str, address: str) -> None:
    assert wrong({name: address}) == [name]


@pytest.mark.parametrize("name", ["GITHUB_REDIRECT_URI", "REDIRECT_ALLOWLIST"])
@pytest.mark.parametrize(
    "address",
    [
        "https://app.example.org",
        "http://localhost:3000/signed-in?from=lab",
        "http://[::1]:3000/",
        "com.example.app:/signed-in",
    ],
)
def test_a_redirect_may_be_a_page_or_belong_to_an_app(name: str, address: str) -> None:
    assert warnings_about(read_settings({name: address})) == []


def test_one_wrong_redirect_among_several_is_enough() -> None:
    assert wrong({"REDIRECT_ALLOWLIST": "https://a.test,b.test"}) == ["REDIRECT_ALLOWLIST"]
    assert len(read_settings({"REDIRECT_ALLOWLIST": '["https://a.test", "https://b.test/x"]'}).redirect_allowlist) == 2


@pytest.mark.parametrize("days", ["0", "-1", "3651", "nan", "inf", "week"])
def test_a_token_holds_for_some_days(days: str) -> None:
    assert wrong({"JWT_EXPIRE_DAYS": days}) == ["JWT_EXPIRE_DAYS"]


@pytest.mark.parametrize(
    "environ", [{}, GITHUB, {"AUTH_ENABLED": "true", "TRIAL_ENABLED": "true"}, PRODUCTION | GITHUB]
)
def test_where_somebody_can_come_in_nothing_is_said(environ: dict[str, str]) -> None:
    assert warnings_about(read_settings(environ)) == []


@pytest.mark.parametrize("environ", [{}, PRODUCTION])
def test_a_lab_that_lets_nobody_in_starts_and_says_so(environ: dict[str, str]) -> None:
    [warning] = warnings_about(read_settings(environ | {"AUTH_ENABLED": "true"}))

    assert warning.startswith("Nobody can sign in")


@pytest.mark.parametrize("key", ["short", "x" * 31, "change-me-in-production-use-a-long-random-string"])
def test_a_key_that_others_may_guess_is_no_key_to_sign_tokens_with(key: str) -> None:
    [warning] = warnings_about(read_settings(GITHUB | {"SECRET_KEY": key}))

    assert "SECRET_KEY" in warning
    assert key not in warning
    assert warnings_about(read_settings({"SECRET_KEY": key})) == []


@pytest.mark.parametrize(("key", "warnings"), [("", 1), ("k" * 32, 0)])
def test_processes_on_one_redis_are_told_to_share_a_key(key: str, warnings: int) -> None:
    found = warnings_about(read_settings({"REDIS_URL": "redis://localhost", "SECRET_KEY": key}))

    assert len(found) == warnings
    assert all("SECRET_KEY" in warning for warning in found)


def test_pictures_that_cost_nothing_are_warned_of_while_there_is_a_trial() -> None:
    free = {"TRIAL_BASIC_4K_COST": "0", "TRIAL_CHAT_COST": "0"}
    [warning] = warnings_about(read_settings({"TRIAL_ENABLED": "true"} | free))

    assert warning.startswith("TRIAL_BASIC_4K_COST, TRIAL_CHAT_COST:")
    assert warnings_about(read_settings(free)) == []
