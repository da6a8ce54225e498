"""Tokens as signed JSON: RFC 7519, with one algorithm, one header and one issuer."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
import msgspec

from nano_banana_lab.core.identity.ports import AuthenticationFailed, Claims
from nano_banana_lab.core.identity.sessions import CLOCK_SKEW_SECONDS
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import Secret

ISSUER = "nano-banana-lab"
ALGORITHM = "HS256"
MAX_CHARACTERS = 64 * 1024
"""Far more than a token for the longest profile takes; what is longer is not looked at."""

_HEADER = {"alg": ALGORITHM, "typ": "JWT"}
_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)

_NumericDate = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Whole seconds since the Unix epoch, until the end of the year 9999."""


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of RFC 7519 section 4.1 that every token has, and the user's profile."""

    iss: str
    sub: str
    jti: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    iat: _NumericDate
    exp: _NumericDate
    user: User


class JwtTokenIssuer:
    """Issues and reads JSON web tokens that hold for `lifetime`, rounded to whole seconds.

    Time is as `clock` says. The signing key is made from `secret`, for tokens only:
    nothing else that is signed with the same secret can pass for a token.
    """

    def __init__(self, secret: Secret, *, clock: Clock, lifetime: timedelta) -> None:
        self._key = hashlib.sha256(b"jwt:" + secret.reveal().encode()).digest()
        self._clock = clock
        self._lifetime = lifetime

    def issue(self, user: User) -> tuple[Secret, Claims]:
        now = self._clock.now()
        payload = _Payload(
            iss=ISSUER,
            sub=user.id,
            jti=new_id(),
            iat=int(now.timestamp()),
            exp=round((now + self._lifetime).timestamp()),  # the nearest second, so that a week lasts 604800
            user=user,
        )
        token = jwt.encode(msgspec.to_builtins(payload), self._key, algorithm=ALGORITHM)
        return Secret(token), _claims(payload)

    def read(self, token: str) -> Claims:
        try:
            payload = self._verified(token)
        except (jwt.PyJWTError, msgspec.ValidationError):
            raise AuthenticationFailed from None
        now = self._clock.now().timestamp()
        if not payload.iat - CLOCK_SKEW_SECONDS <= now < payload.exp + CLOCK_SKEW_SECONDS:
            raise AuthenticationFailed
        return _claims(payload)

    def _verified(self, token: str) -> _Payload:
        """What was signed here. The times in it are left to the caller: PyJWT knows no clock but the host's."""
        if len(token) > MAX_CHARACTERS or not _COMPACT.fullmatch(token):
            raise AuthenticationFailed
        read = jwt.decode_complete(
            token,
            self._key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options={
                "require": ["exp", "iat", "iss", "jti", "sub"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        if read["header"] != _HEADER:
            raise AuthenticationFailed
        return msgspec.convert(read["payload"], _Payload)


def _claims(payload: _Payload) -> Claims:
    return Claims(id=payload.jti, user=payload.user, expires_at=datetime.fromtimestamp(payload.exp, UTC))
