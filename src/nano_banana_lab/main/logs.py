"""One line for each event: readable on a terminal, JSON for machines, and never a secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from nano_banana_lab.main.settings import Environment, Settings

HIDDEN = "***"
_LOOKS_SECRET = re.compile(
    r"AIza[0-9A-Za-z_-]{30,}"  # Google API keys
    r"|AQ\.[0-9A-Za-z_.-]{20,}"  # and the newer form of them
    r"|gh[pousr]_[0-9A-Za-z]{20,}"  # GitHub tokens
    r"|nbl_[0-9A-Za-z]{30,}"  # access tokens of the lab
    r"|eyJ(?:(?!eyJ)[\w-]){10,}\.[\w-]{10,}\.[\w-]{10,}"  # JSON web tokens; looked at once, however often one begins
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password in an address
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""What a terminal or a reader of lines may obey instead of showing it."""


class SecretFilter:
    """Blanks the configured secrets, and whatever looks like one, wherever in an event it stands.

    Control characters are written as escapes.
    """

    def __init__(self, secrets: list[str]) -> None:
        known = "|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True) if len(secret) >= 6)
        self._pattern = re.compile(f"{known}|{_LOOKS_SECRET.pattern}") if known else _LOOKS_SECRET

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """A structlog processor."""
        return {name: self._clean(value) for name, value in event.items()}

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                return _CONTROL.sub(_escaped, self._pattern.sub(HIDDEN, value))
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self._clean(name): self._clean(each) for name, each in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(each) for each in value]
            case _:  # as the renderers write whatever else there is
                return self._clean(repr(value))


def configure_logs(settings: Settings) -> None:
    """Send the logs of the lab and of its libraries to standard error, in production as JSON."""
    secrets = (
        settings.secret_key,
        settings.google_api_key,
        settings.r2_secret_access_key,
        settings.redis_url,
        settings.github_client_secret,
    )
    hide = SecretFilter([text for secret in secrets if secret is not None for text in _forms(secret.reveal())])
    machine = settings.environment is Environment.PRODUCTION
    renderer: Any = structlog.processors.JSONRenderer() if machine else structlog.dev.ConsoleRenderer(colors=False)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_colours,
            structlog.processors.format_exc_info,
            hide,
            renderer,
        ],
    )
    logging.raiseExceptions = False  # a badly written log line would print its arguments past the filter
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.least_level, force=True)
    for chatty in ("botocore", "aiobotocore", "httpx2", "httpcore2", "google_genai", "PIL", "urllib3", "docket"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(settings.least_level)))


def _forms(secret: str) -> list[str]:
    """The secret and, when it is an address, the password in it by itself, as it is written and as it is meant."""
    password = urlsplit(secret).password if "://" in secret else None
    return [secret, password, unquote(password)] if password else [secret]


def _without_colours(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Uvicorn sends each of its lines twice, once painted."""
    event.pop("color_message", None)
    return event


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode("ascii")
