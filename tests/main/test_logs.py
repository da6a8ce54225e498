"""The log: a line for each event, JSON in production, and never a secret."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from nano_banana_lab.main.logs import HIDDEN, SecretFilter, configure_logs
from nano_banana_lab.main.read_settings import read_settings

SECRETS = {
    "SECRET_KEY": "signing-key-" + "s" * 30,
    "GOOGLE_API_KEY": "operators.own(key)+",
    "R2_SECRET_ACCESS_KEY": "r2/secret/access",
    "REDIS_URL": "redis://user:redis-password@cache:6379/0",
    "GITHUB_CLIENT_SECRET": "secret-of-the-oauth-app",
}
LOOK_ALIKES = [
    "AIza" + "S" * 35,
    "ghp_" + "a1" * 18,
    "gho_" + "a1" * 18,
    "nbl_7hQxW3kZb9TfLmN2pRs5VtYc8DgHj4K6P1Q0z",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
]
logger = logging.getLogger("nano_banana_lab.test")


@pytest.fixture
def configured(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Configures the log with the settings, and returns what then says what was written.

    That replaces and closes whatever listens to the log, so those of pytest step aside meanwhile.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**settings: str) -> Any:
        root.handlers.clear()
        configure_logs(read_settings({"GITHUB_CLIENT_ID": "any"} | SECRETS | settings))
        return lambda: capsys.readouterr().err

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


both = pytest.mark.parametrize("environment", ["development", "production"])


def fail(complaint: str) -> None:
    """Raise, and log the trace on the way."""
    try:
        int(complaint)
    except ValueError as error:
        error.add_note(complaint)
        logger.exception("failed")
        raise


class Careless:
    """An object that shows a secret when it is printed."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return f"Careless({self._secret})"


@pytest.mark.parametrize("secret", [*SECRETS.values(), *LOOK_ALIKES], ids=lambda secret: secret[:8])
@both
def test_a_secret_is_blanked_wherever_it_stands(configured: Any, environment: str, secret: str) -> None:
    log = configured(ENVIRONMENT=environment)
    logger.warning("a text with %s in it", secret)
    logger.warning("extra", extra={"plain": secret, "inside": f"x={secret}&y"})
    logger.warning("nested", extra={"headers": {"k": [secret, (secret,)], secret: 1}, "seen": {secret}})
    logger.warning("objects", extra={"thing": Careless(secret), "raw": secret.encode(), "error": ValueError(secret)})
    logger.warning(Careless(secret))
    with suppress(ValueError):
        fail(f"bad thing: {secret}")
    written = log()

    assert secret not in written
    assert written.count(HIDDEN) >= 9
    assert "bad thing: " in written


@both
def test_a_password_in_an_address_is_blanked(configured: Any, environment: str) -> None:
    log = configured(ENVIRONMENT=environment)
    logger.warning("cannot reach rediss://admin:hunter2hunter2@cache.test:6379/0")

    written = log()
    assert "hunter2" not in written
    assert "cache.test:6379" in written


@both
def test_the_password_of_redis_is_blanked_wherever_it_stands(configured: Any, environment: str) -> None:
    log = configured(ENVIRONMENT=environment, REDIS_URL="redis://lab:p%40ss%2Fword@cache:6379/0")
    logger.warning("AUTH lab p@ss/word; options: %s", {"password": "p%40ss%2Fword"})

    written = log()
    assert "p@ss" not in written
    assert "p%40ss" not in written
    assert written.count(HIDDEN) == 2


@both
def test_what_is_no_secret_stays(configured: Any, environment: str) -> None:
    log = configured(ENVIRONMENT=environment)
    logger.warning("a corgi at https://x.test:443/a@b", extra={"ms": 12.5, "ids": ["a", 1, None, True]})

    written = log()
    assert "https://x.test:443/a@b" in written
    assert "12.5" in written
    assert HIDDEN not in written


def test_production_lines_are_json_with_the_facts_of_each_event(configured: Any) -> None:
    log = configured(ENVIRONMENT="production")
    logger.info(
        "request\nFORGED line", extra={"path": "/a\nb", "status": 200, "request_id": "abc", "nested": {"a": [1]}}
    )
    logging.getLogger("library").warning("from a library, %s", "formatted")
    first, second = map(json.loads, log().splitlines())

    assert (first["event"], first["path"], first["status"]) == ("request\nFORGED line", "/a\nb", 200)
    assert (first["level"], first["logger"], first["request_id"]) == ("info", "nano_banana_lab.test", "abc")
    assert first["nested"] == {"a": [1]}
    assert (second["event"], second["level"]) == ("from a library, formatted", "warning")
    assert first["timestamp"].endswith("Z")


def test_a_trace_is_one_line_of_json(configured: Any) -> None:
    log = configured(ENVIRONMENT="production")
    with suppress(ValueError):
        fail("bad thing")
    (line,) = map(json.loads, log().splitlines())

    assert "ValueError" in line["exception"]
    assert "bad thing" in line["exception"]


def test_no_setting_of_ours_means_only_look_alikes_are_blanked() -> None:
    hide = SecretFilter([])

    assert hide(None, "", {"event": f"key {LOOK_ALIKES[0]} and more"}) == {"event": f"key {HIDDEN} and more"}


def test_what_only_begins_like_a_token_again_and_again_is_read_once() -> None:
    """A path may be as long, and be logged; read anew at each beginning, this would take hours."""
    beginnings = "eyJ" * 1_000_000

    assert SecretFilter([])(None, "", {"path": beginnings}) == {"path": beginnings}
    assert SecretFilter([])(None, "", {"path": beginnings + LOOK_ALIKES[-1]})["path"].endswith(f"eyJ{HIDDEN}")


def test_a_secret_too_short_to_be_one_does_not_blank_every_word() -> None:
    assert SecretFilter(["a"])(None, "", {"event": "a banana"}) == {"event": "a banana"}


def test_of_two_secrets_the_longer_is_blanked_whole() -> None:
    hide = SecretFilter(["secret-key", "secret-key-and-more"])

    assert hide(None, "", {"event": "secret-key-and-more"}) == {"event": HIDDEN}


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_only_what_is_serious_enough_is_written(configured: Any, level: str, shown: int) -> None:
    written = configured(LOG_LEVEL=level, ENVIRONMENT="production")
    for write in (logger.debug, logger.info, logger.warning, logger.error):
        write("x")

    assert len(written().splitlines()) == shown


def test_chatty_libraries_are_quiet_even_when_debugging(configured: Any) -> None:
    written = configured(LOG_LEVEL="DEBUG")
    for name in ("botocore", "httpx2", "google_genai"):
        logging.getLogger(name).info("POST https://... with everything")

    assert written() == ""


def test_what_a_terminal_would_obey_is_shown_instead(configured: Any) -> None:
    log = configured()
    logger.info("request", extra={"path": "/\x1b]0;pwn\x07", "agent": "two\u2028lines"})
    written = log()

    assert r"/\x1b]0;pwn\x07" in written
    assert r"two\u2028lines" in written
    assert "\x1b" not in written
