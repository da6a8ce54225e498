"""Every setting of the service: its name, type, default and limits. `read_settings` reads them, once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from nano_banana_lab.core.quota.modes import QUOTA_MODES
from nano_banana_lab.core.shared.secrets import Secret


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


class QuotaSource(StrEnum):
    """`manual` takes each mode's daily limit from the settings, `auto` from the size of the pool."""

    MANUAL = "manual"
    AUTO = "auto"


Positive = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
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
    text_model_id: str = "gemini-3.8-flash"
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
    github_client_id: str | None = None
    github_client_secret: Secret | None = None
    github_redirect_uri: str | None = None
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    redirect_allowlist: tuple[str, ...] | None = None
    jwt_expire_days: Annotated[float, msgspec.Meta(ge=0.001, le=3650)] = 7

    trial_enabled: bool = False
    trial_global_quota: Count = 50
    trial_cooldown_seconds: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 3
    trial_quota_mode: QuotaSource = QuotaSource.MANUAL
    trial_prompt_limit: Count = 30
    trial_prompt_global_limit: Count = 300
    trial_basic_1k_limit: Count = QUOTA_MODES["basic_1k"].limit
    trial_basic_1k_cost: Count = QUOTA_MODES["basic_1k"].cost
    trial_basic_4k_limit: Count = QUOTA_MODES["basic_4k"].limit
    trial_basic_4k_cost: Count = QUOTA_MODES["basic_4k"].cost
    trial_chat_limit: Count = QUOTA_MODES["chat"].limit
    trial_chat_cost: Count = QUOTA_MODES["chat"].cost
    trial_batch_1k_limit: Count = QUOTA_MODES["batch_1k"].limit
    trial_batch_1k_cost: Count = QUOTA_MODES["batch_1k"].cost
    trial_batch_4k_limit: Count = QUOTA_MODES["batch_4k"].limit
    trial_batch_4k_cost: Count = QUOTA_MODES["batch_4k"].cost
    trial_search_limit: Count = QUOTA_MODES["search"].limit
    trial_search_cost: Count = QUOTA_MODES["search"].cost
    trial_blend_limit: Count = QUOTA_MODES["blend"].limit
    trial_blend_cost: Count = QUOTA_MODES["blend"].cost

    rate_limit_enabled: bool = True
    rate_limit_requests: Positive = 60
    rate_limit_window: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 60
    chat_session_ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=365 * 86400)] = 86400
    batch_max_prompts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    task_ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=365 * 86400)] = 86400
    worker_in_process: bool = True
    idempotency_ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=365 * 86400)] = 86400

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
    def uses_github(self) -> bool:
        """Whether people can sign in with GitHub."""
        return self.auth_enabled and self.github_client_id is not None and self.github_client_secret is not None

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
