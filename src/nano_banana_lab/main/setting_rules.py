"""What must hold between settings that are well-formed each."""

import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path

from nano_banana_lab.adapters.gemini.model_table import read_models
from nano_banana_lab.core.identity.redirects import parse_address
from nano_banana_lab.http.messages import catalogues
from nano_banana_lab.main.secret_key import MIN_SECRET_KEY_CHARACTERS, is_weak
from nano_banana_lab.main.settings import Environment, ImageModelChoice, Settings

_REDIRECT = (
    "an address such as https://app.example.org/signed-in or com.example.app:/signed-in, without user and fragment"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""As a browser sends it (RFC 6454): in small letters and without a slash at its end."""
_WEB_ADDRESS = re.compile(r"https?://[^/\s]+(/\S*)?")

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REDIS_ADDRESS = re.compile(r"(rediss?|unix)://\S+")


def complaints_about(settings: Settings) -> list[str]:
    """A line for each rule that is broken, beginning with the setting to change; no line repeats a secret."""
    rules = [
        _in_production,
        _about_addresses,
        _about_workers,
        _about_the_data_folder,
        _about_the_bucket,
        _about_models,
        _about_the_language,
        _about_sign_in,
    ]
    return [complaint for rule in rules for complaint in rule(settings)]


def _in_production(settings: Settings) -> Iterator[str]:
    if settings.environment is not Environment.PRODUCTION:
        return
    if settings.secret_key is None or is_weak(settings.secret_key):
        yield f"SECRET_KEY: production needs a random text of at least {MIN_SECRET_KEY_CHARACTERS} characters of your own"
    if "*" in (settings.cors_origins or ()):
        yield "CORS_ORIGINS: production refuses '*'; list the origins of your web pages"
    if settings.image_model is ImageModelChoice.AUTO and settings.uses_sketch:
        yield "GOOGLE_API_KEY: production needs a key, or IMAGE_MODEL=sketch to serve placeholders on purpose"


def _about_addresses(settings: Settings) -> Iterator[str]:
    if settings.redis_url and not _leads_to_redis(settings.redis_url.reveal()):
        yield "REDIS_URL: expected redis://host:port/0, rediss://... or unix://..."
    if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in settings.cors_origins or ()):
        yield "CORS_ORIGINS: expected origins such as https://app.example.org, without a path or a pattern"
    if not all(proxy == "*" or _is_network(proxy) for proxy in settings.forwarded_allow_ips):
        yield "FORWARDED_ALLOW_IPS: expected IP addresses or networks such as 10.0.0.0/8, or *"
    for name in ("google_gemini_base_url", "r2_endpoint_url", "r2_public_url"):
        address = getattr(settings, name)
        if address is not None and not _WEB_ADDRESS.fullmatch(address):
            yield f"{name.upper()}: expected an address such as https://example.org"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _leads_to_redis(address: str) -> bool:
    if not _REDIS_ADDRESS.fullmatch(address):
        return False
    from redis.exceptions import RedisError  # noqa: PLC0415  only a lab with Redis loads it

    from nano_banana_lab.adapters.redis.connection import connect  # noqa: PLC0415  likewise

    try:
        connect(address).connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own gap
    except (ValueError, TypeError, RedisError):  # a port or an option that is none
        return False
    return True


def _about_workers(settings: Settings) -> Iterator[str]:
    if not settings.worker_in_process and settings.redis_url is None:
        yield "WORKER_IN_PROCESS: false needs REDIS_URL; without it only the process that takes tasks on can work on them"


def _about_the_data_folder(settings: Settings) -> Iterator[str]:
    """Pictures, index and the generated key each need it; a lab with Redis, a bucket and its own key does not."""
    if settings.redis_url and settings.r2_enabled and settings.secret_key:
        return
    folder = settings.data_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield f"DATA_DIR: {folder} is not a folder that can be written to"


def _about_the_bucket(settings: Settings) -> Iterator[str]:
    if not settings.r2_enabled:
        return
    if not settings.r2_access_key_id:
        yield "R2_ACCESS_KEY_ID: needed while R2_ENABLED is true"
    if not settings.r2_secret_access_key:
        yield "R2_SECRET_ACCESS_KEY: needed while R2_ENABLED is true"
    if not settings.r2_endpoint:
        yield "R2_ACCOUNT_ID: needed while R2_ENABLED is true, unless R2_ENDPOINT_URL names the service"


def _about_models(settings: Settings) -> Iterator[str]:
    seconds = settings.generation_timeout_seconds
    if len(seconds) not in (1, 3) or min(seconds) < 1:
        yield "GENERATION_TIMEOUT_SECONDS: expected one number, or three for 1K, 2K and 4K, each at least 1"
    if not _MODEL_ID.fullmatch(settings.image_model_id):
        yield "IMAGE_MODEL_ID: expected an id such as gemini-3-pro-image"
    if settings.image_models_file is not None and not _is_readable(settings.image_models_file):
        yield "IMAGE_MODELS_FILE: cannot be read as changes to the table in nano_banana_lab/adapters/gemini/models.toml"


def _is_readable(models_file: Path) -> bool:
    try:
        read_models(models_file)
    except (OSError, ValueError):
        return False
    return True


def _about_the_language(settings: Settings) -> Iterator[str]:
    if settings.default_language not in catalogues():
        yield f"DEFAULT_LANGUAGE: expected one of {', '.join(sorted(catalogues()))}"


def _about_sign_in(settings: Settings) -> Iterator[str]:
    for name in ("github_url", "github_api_url"):
        if not _is_web_address(getattr(settings, name)):
            yield f"{name.upper()}: expected an address such as https://github.example.org, without user and query"
    if settings.github_redirect_uri is not None and parse_address(settings.github_redirect_uri) is None:
        yield f"GITHUB_REDIRECT_URI: expected {_REDIRECT}"
    if any(parse_address(each) is None for each in settings.redirect_allowlist or ()):
        yield f"REDIRECT_ALLOWLIST: expected a list between commas, each {_REDIRECT}"
    if settings.github_client_id and not settings.github_client_secret:
        yield "GITHUB_CLIENT_SECRET: needed beside GITHUB_CLIENT_ID"
    if settings.github_client_secret and not settings.github_client_id:
        yield "GITHUB_CLIENT_ID: needed beside GITHUB_CLIENT_SECRET"


def _is_web_address(text: str) -> bool:
    address = parse_address(text)
    return address is not None and address.origin.startswith(("http:", "https:")) and "?" not in address.rest
