"""What a program carries instead of a session: its text, and what is kept of it."""

import secrets
import string
import zlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.secrets import Secret

PREFIX = "nbl_"
"""What every access token begins with, and nothing else that is sent as `Authorization: Bearer`."""

MAX_NAME_CHARACTERS = 100

_DIGITS = string.digits + string.ascii_letters
_RANDOM_CHARACTERS = 32
"""190 bits: nobody guesses one, so a fast hash of it is as good as a slow one."""
_CHECK_CHARACTERS = 6
"""As many as a CRC-32 takes in base 62. It tells a typo from a token without asking the store; it proves nothing."""
_SHOWN_CHARACTERS = len(PREFIX) + 4


class Scope(StrEnum):
    """What a token may be used for: to have something made, to look at what is there, to change and delete it."""

    GENERATE = "generate"
    READ = "read"
    MANAGE = "manage"


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token: everything but its text.

    `id` is a keyed hash of the text, and `prefix` its first characters, by which its owner knows it again.
    Without `expires_at` it holds until it is revoked.
    """

    id: str
    name: str
    user: User
    scopes: tuple[Scope, ...]
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    schema: int = 1

    def seconds_left(self, now: datetime) -> float | None:
        """How long it still holds, 0 or less when it does not any more; None: until it is revoked."""
        return None if self.expires_at is None else (self.expires_at - now).total_seconds()

    def expired(self, now: datetime) -> bool:
        """Whether it does not hold any more."""
        left = self.seconds_left(now)
        return left is not None and left <= 0


def new_text() -> Secret:
    """The text of a new token: `nbl_`, then 38 digits and letters."""
    random = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM_CHARACTERS))
    return Secret(f"{PREFIX}{random}{_check(random)}")


def is_access_token(text: str) -> bool:
    """Whether the text means to be an access token, well-formed or not."""
    return text.startswith(PREFIX)


def is_well_formed(text: str) -> bool:
    """Whether `new_text` may have made it; one that was mistyped or cut off is not."""
    body = text.removeprefix(PREFIX)
    if not is_access_token(text) or len(body) != _RANDOM_CHARACTERS + _CHECK_CHARACTERS:
        return False
    random, check = body[:_RANDOM_CHARACTERS], body[_RANDOM_CHARACTERS:]
    return set(body) <= set(_DIGITS) and check == _check(random)


def shown(text: Secret) -> str:
    """So much of it that its owner knows it again, and nobody else is any wiser."""
    return text.reveal()[:_SHOWN_CHARACTERS]


def in_order(scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    """Each of them once, in the order in which they are declared."""
    return tuple(scope for scope in Scope if scope in scopes)


def _check(random: str) -> str:
    rest, found = zlib.crc32(random.encode("ascii")), ""
    for _ in range(_CHECK_CHARACTERS):
        rest, digit = divmod(rest, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
