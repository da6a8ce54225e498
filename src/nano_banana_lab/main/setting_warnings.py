"""What works as it is set but is hardly meant; said once, when a process starts."""

import logging
from collections.abc import Iterator

from nano_banana_lab.core.quota.modes import QUOTA_MODES
from nano_banana_lab.http.messages import Sentence
from nano_banana_lab.main.secret_key import MIN_SECRET_KEY_CHARACTERS, is_weak
from nano_banana_lab.main.settings import Settings

logger = logging.getLogger(__name__)

SKETCH_NOTICE = Sentence(
    "Pictures are placeholders drawn by the offline sketch model, not made by AI. "
    "Set GOOGLE_API_KEY to make real ones, or send a key of your own in the X-API-Key header."
)


def log_warnings(settings: Settings) -> None:
    """Write them to the log, and first of all that pictures are placeholders, where they are."""
    if settings.uses_sketch:
        logger.warning(SKETCH_NOTICE)
    for warning in warnings_about(settings):
        logger.warning(warning)


def warnings_about(settings: Settings) -> list[str]:
    """A line for each."""
    rules = [_nobody_can_sign_in, _free_modes, _anybody_can_sign_tokens, _a_secret_key_for_each_folder]
    return [warning for rule in rules for warning in rule(settings)]


def _nobody_can_sign_in(settings: Settings) -> Iterator[str]:
    if settings.auth_enabled and not settings.uses_github and not settings.trial_enabled:
        yield (
            "Nobody can sign in: AUTH_ENABLED is true, but there is neither GITHUB_CLIENT_ID with GITHUB_CLIENT_SECRET "
            "nor TRIAL_ENABLED for guests. Only access tokens that `nano-banana-lab token create` made are let in."
        )


def _free_modes(settings: Settings) -> Iterator[str]:
    free = [f"TRIAL_{key}_COST".upper() for key in QUOTA_MODES if getattr(settings, f"trial_{key}_cost") == 0]
    if settings.trial_enabled and free:
        yield (
            f"{', '.join(free)}: pictures that cost no points are bounded by each user's daily limit only, "
            "not by the pool, and a visitor can come as any number of guests."
        )


def _anybody_can_sign_tokens(settings: Settings) -> Iterator[str]:
    """Production does not start with such a key at all."""
    if settings.auth_enabled and settings.secret_key is not None and is_weak(settings.secret_key):
        yield (
            f"SECRET_KEY is well known or has less than {MIN_SECRET_KEY_CHARACTERS} characters: "
            "whoever guesses it can sign in as anybody."
        )


def _a_secret_key_for_each_folder(settings: Settings) -> Iterator[str]:
    """Several processes share a Redis, but hardly a DATA_DIR; each would refuse the tokens of the others."""
    if settings.redis_url and not settings.secret_key:
        yield (
            "REDIS_URL is set and SECRET_KEY is not: this process signs with the key in its own DATA_DIR. "
            "Where several processes share this Redis, set one SECRET_KEY for all, or each refuses the others' tokens."
        )
