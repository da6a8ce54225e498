"""What holds between signing in and signing out."""

import logging
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.identity.keys import revoked_key
from nano_banana_lab.core.identity.ports import (
    AuthenticationFailed,
    Claims,
    NotAllowed,
    SignInUnavailable,
    TokenIssuer,
)
from nano_banana_lab.core.identity.user import User, new_guest
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.operations import CommitRefused, Put
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable

logger = logging.getLogger(__name__)

CLOCK_SKEW_SECONDS = 30
"""How far the clocks of two processes may be apart; a token is honoured, and remembered as revoked, that much longer."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh token and whom it names; `expires_in` is in seconds."""

    token: Secret
    user: User
    expires_in: int


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Begins sessions, recognises them, renews and ends them.

    The one thing remembered is which tokens were revoked, in the shared store, so that every process knows at once.
    Unless `enabled`, nobody has a session. Unless `guests`, guests have none, not even with a token from before:
    without a trial quota they would spend the operator's money without a limit.
    """

    tokens: TokenIssuer
    key_values: KeyValueStore
    clock: Clock
    enabled: bool
    guests: bool

    def begin(self, user: User) -> Session:
        """A session for somebody who was identified."""
        token, claims = self.tokens.issue(user)
        expires_in = round((claims.expires_at - self.clock.now()).total_seconds())
        return Session(token=token, user=user, expires_in=expires_in)

    def begin_as_guest(self) -> Session:
        """A session for a visitor nobody knows.

        Raises `SignInUnavailable` where nobody has a session, `NotAllowed` where guests have none.
        """
        if not self.enabled:
            raise SignInUnavailable
        if not self.guests:
            raise NotAllowed
        return self.begin(new_guest())

    async def recognise(self, token: str | None) -> Claims:
        """What a token says, provided it still holds. Raises `AuthenticationFailed`."""
        if token is None or not self.enabled:
            raise AuthenticationFailed
        claims = self.tokens.read(token)
        if claims.user.is_guest and not self.guests:
            raise AuthenticationFailed
        if await self.key_values.get(revoked_key(claims.id)) is not None:
            raise AuthenticationFailed
        return claims

    async def renew(self, token: str | None) -> Session:
        """A new session for a token that still holds and from then on does not.

        Of several that renew one token at the same moment one succeeds. Raises `AuthenticationFailed`.
        When it stays unknown whether the store has noted the end of the old token, the new session is given all the same:
        the old one may be over, and a guest has no other, while one that is not over ends by itself when it expires.
        """
        claims = await self.recognise(token)
        try:
            await self._revoke(claims)
        except StoreUnavailable:
            logger.warning(
                "a token was renewed, and the old one may hold until it expires", extra={"token_id": claims.id}
            )
        return self.begin(claims.user)

    async def end(self, token: str | None) -> None:
        """From now on the token is refused everywhere; where nobody has a session there is nothing to end.

        Raises `AuthenticationFailed` when the token does not hold.
        """
        if self.enabled:
            await self._revoke(await self.recognise(token))

    async def _revoke(self, claims: Claims) -> None:
        remaining = max(0.0, (claims.expires_at - self.clock.now()).total_seconds())
        ttl = remaining + 2 * CLOCK_SKEW_SECONDS  # one because readers are lenient, one because their clocks may differ
        note = Put(key=revoked_key(claims.id), value=b"1", if_absent=True, ttl=ttl)
        try:
            await self.key_values.commit(note)
        except CommitRefused:
            raise AuthenticationFailed from None
