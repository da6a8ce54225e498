"""Every setting of the service: its name, type, default and limits, read once from the environment.

A setting is the upper-case name of a field, from the environment or a `.env` file in the working directory.
An empty value means the default. Every wrong setting is named in one message.
"""

import json
import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
from dotenv import dotenv_values
from msgspec import inspect

from nano_banana_lab.adapters.gemini.model_table import read_models
from nano_banana_lab.core.shared.secrets import Secret

WELL_KNOWN_SECRET_KEYS = {"change-me-in-production-use-a-long-random-string"}
MIN_SECRET_KEY_CHARACTERS = 32


class Environment(StrEnum):
    """`production` refuses what is only fine on a laptop."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ImageModelChoice(StrEnum):
    """`auto` is Gemini when there is a key, else the offline sketch."""

    AUTO = "auto"
    GEMINI = "gemini"
    SKETCH = "sketch"


class LogLevel(StrEnum):
    """The least serious line that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"

    @classmethod
    def _missing_(cls, value: object) -> "LogLevel | None":
        """In lower case too, as many servers write it."""
        return next((level for level in cls if isinstance(value, str) and level.value == value.upper()), None)


Positive = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The effective configuration. Times are in seconds, sizes in bytes."""

    environment: Environment = Environment.DEVELOPMENT
    host: str = "0.0.0.0"  # noqa: S104  a container is reached from outside; the contract's default
    port: Port = 8000
    debug: bool = False
    log_level: LogLevel = LogLevel.INFO
    default_language: str = "en"
    secret_key: Secret | None = None
    data_dir: Path = Path("data")
    redis_url: Secret | None = None

    google_api_key: Secret | None = None
    image_model: ImageModelChoice = ImageModelChoice.AUTO
    image_model_id: str = "gemini-3-pro-image"
    image_models_file: Path | None = None
    google_gemini_base_url: str | None = None
    gemini_api_version: str = "v1beta"
    retry_delays: tuple[Seconds, ...] = (2, 4, 8)
    generation_timeout_seconds: tuple[Seconds, ...] = (180, 300, 600)
    max_concurrent_generations: Positive = 256
    max_waiting_generations: Annotated[int, msgspec.Meta(ge=0)] = 1024

    r2_enabled: bool = False
    r2_account_id: str | None = None
    r2_access_key_id: str | None = None
    r2_secret_access_key: Secret | None = None
    r2_bucket_name: str = "nano-banana-images"
    r2_public_url: str | None = None
    r2_endpoint_url: str | None = None

    auth_enabled: bool = False
    trial_enabled: bool = False

    cors_origins: tuple[str, ...] | None = None
    max_request_bytes: Positive = 99_000_000
    shutdown_grace_seconds: Seconds = 30
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1",)

    @property
    def least_level(self) -> LogLevel:
        """The least serious line that is written; `debug` asks for all of them."""
        return LogLevel.DEBUG if self.debug else self.log_level

    @property
    def uses_sketch(self) -> bool:
        """Whether callers without a key of their own get placeholders."""
        if self.image_model is ImageModelChoice.AUTO:
            return self.google_api_key is None
        return self.image_model is ImageModelChoice.SKETCH

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Which web pages may call; everybody's while developing, nobody's in production unless said."""
        if self.cors_origins is not None:
            return self.cors_origins
        return ("*",) if self.environment is Environment.DEVELOPMENT else ()

    @property
    def r2_endpoint(self) -> str | None:
        """Where the bucket is: the given address, else Cloudflare's for the account, else AWS itself."""
        if self.r2_endpoint_url or not self.r2_account_id:
            return self.r2_endpoint_url
        return f"https://{self.r2_account_id}.r2.cloudflarestorage.com"


class SettingsError(ValueError):
    """Some settings are wrong; the message has a line for each, naming it and saying how to mend it."""

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        super().__init__("The configuration cannot be used:\n" + "\n".join(f"  - {line}" for line in wrong))


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `environ`, by default the process environment over a `.env` file. Raises `SettingsError`."""
    if environ is None:
        environ = {name: value or "" for name, value in dotenv_values(".env", interpolate=False).items()} | dict(
            os.environ
        )
    values, wrong = dict[str, Any](), list[str]()
    for field in msgspec.structs.fields(Settings):
        text = environ.get(field.name.upper(), "").strip()
        if text:
            try:
                values[field.name] = _parse(text, field.type)
            except ValueError as error:
                wrong.append(f"{field.name.upper()}: {error}")
    settings = Settings(**values)
    wrong += [f"{name}: {complaint}" for name, complaint, broken in _RULES if broken(settings)]
    if wrong:
        raise SettingsError(wrong)
    return settings


def _parse(text: str, type: Any) -> Any:
    """The text as a value of the type; complains without repeating the text, which may be a secret."""
    choices = (type, *get_args(type))
    if Secret in choices:
        return Secret(text)
    if Path in choices:
        return Path(text)
    value = _list(text) if any(get_origin(choice) is tuple for choice in choices) else text
    try:
        return msgspec.convert(value, type, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"expected {_expected(inspect.type_info(type))}") from error


def _expected(kind: inspect.Type) -> str:
    """What may stand in a setting of this kind, in words."""
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.EnumType(cls=choices):
            return "one of " + ", ".join(choice.value for choice in choices)
        case inspect.IntType(ge=least, le=most):
            return "a whole number" + (f" from {least}" if least is not None else "") + (f" to {most}" if most else "")
        case inspect.FloatType(ge=least, le=most):
            return f"a number from {least} to {most}"
        case inspect.VarTupleType(item_type=item):
            return f"a list between commas, each {_expected(item)}"
        case _:
            return "text"


def _list(text: str) -> list[str]:
    """A JSON list, or words between commas."""
    if text.startswith("["):
        try:
            return [str(entry) for entry in json.loads(text)]
        except json.JSONDecodeError as error:
            raise ValueError("expected a JSON list or words between commas") from error
    return [word.strip() for word in text.split(",") if word.strip()]


def _weak_in_production(settings: Settings) -> bool:
    if settings.environment is not Environment.PRODUCTION:
        return False
    key = settings.secret_key.reveal() if settings.secret_key else ""
    return len(key) < MIN_SECRET_KEY_CHARACTERS or key in WELL_KNOWN_SECRET_KEYS


def _unreadable(models_file: Path | None) -> bool:
    if models_file is None:
        return False
    try:
        read_models(models_file)
    except (OSError, ValueError):
        return True
    return False


def _in_production(broken: Callable[[Settings], bool]) -> Callable[[Settings], bool]:
    return lambda settings: settings.environment is Environment.PRODUCTION and broken(settings)


_RULES: list[tuple[str, str, Callable[[Settings], bool]]] = [
    (
        "SECRET_KEY",
        f"production needs a random text of at least {MIN_SECRET_KEY_CHARACTERS} characters of your own",
        _weak_in_production,
    ),
    (
        "CORS_ORIGINS",
        "production refuses '*'; list the origins of your web pages",
        _in_production(lambda settings: "*" in (settings.cors_origins or ())),
    ),
    (
        "GOOGLE_API_KEY",
        "production needs a key, or IMAGE_MODEL=sketch to serve placeholders on purpose",
        _in_production(lambda settings: settings.uses_sketch and settings.image_model is ImageModelChoice.AUTO),
    ),
    (
        "GENERATION_TIMEOUT_SECONDS",
        "expected one number, or three for 1K, 2K and 4K, each at least 1",
        lambda settings: (
            len(settings.generation_timeout_seconds) not in (1, 3) or min(settings.generation_timeout_seconds) < 1
        ),
    ),
    (
        "R2_ACCESS_KEY_ID",
        "needed while R2_ENABLED is true",
        lambda settings: settings.r2_enabled and not settings.r2_access_key_id,
    ),
    (
        "R2_SECRET_ACCESS_KEY",
        "needed while R2_ENABLED is true",
        lambda settings: settings.r2_enabled and not settings.r2_secret_access_key,
    ),
    (
        "R2_ACCOUNT_ID",
        "needed while R2_ENABLED is true, unless R2_ENDPOINT_URL names the service",
        lambda settings: settings.r2_enabled and not settings.r2_endpoint,
    ),
    (
        "AUTH_ENABLED",
        "this version has no sign-in yet; it must be false",
        lambda settings: settings.auth_enabled,
    ),
    (
        "TRIAL_ENABLED",
        "this version has no trial quota yet; it must be false",
        lambda settings: settings.trial_enabled,
    ),
    (
        "IMAGE_MODELS_FILE",
        "cannot be read as changes to the table in nano_banana_lab/adapters/gemini/models.toml",
        lambda settings: _unreadable(settings.image_models_file),
    ),
]
"""Rules about settings that are well-formed each: the one to name, what to say, and whether it is broken."""
