"""Sign in with an identity provider: once to its page and back, in ten minutes."""

import base64
import contextlib
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

import msgspec

from nano_banana_lab.core.identity.keys import state_key
from nano_banana_lab.core.identity.ports import IdentityProvider, SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import is_id, new_id
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable

STATE_TTL_SECONDS = 600


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that was begun, as it is kept: with nothing in it that would help to finish it."""

    redirect_uri: str | None
    begun_at: datetime


class SignInPage(msgspec.Struct, frozen=True, kw_only=True):
    """Where the user's browser goes, and the `state` that comes back with it: unguessable, good once, for ten minutes."""

    url: str
    state: str


@dataclass(frozen=True, kw_only=True)
class BeginSignIn:
    """Send a user to the provider's page. `provider` is None while sign-in is not configured.

    `secret` is one that every process of the lab has, for the one that finishes the sign-in may be another.
    """

    provider: IdentityProvider | None
    key_values: KeyValueStore
    clock: Clock
    secret: Secret
    redirects: RedirectAllowlist
    default_redirect_uri: str | None

    async def __call__(self, redirect_uri: str | None = None) -> SignInPage:
        """The page, which sends the browser back to `redirect_uri`.

        Raises `ValidationFailed` for an address that is not on the allow-list, `SignInUnavailable` without a provider.
        """
        if self.provider is None:
            raise SignInUnavailable
        if redirect_uri is not None and not self.redirects.allows_return(redirect_uri):
            raise ValidationFailed.of("redirect_uri", "redirect_not_allowed")
        state = new_id()
        attempt = Attempt(redirect_uri=redirect_uri or self.default_redirect_uri, begun_at=self.clock.now())
        await self.key_values.commit(_put(state, attempt, STATE_TTL_SECONDS))
        challenge = _s256(_verifier(self.secret, state))
        url = self.provider.authorization_url(state=state, challenge=challenge, redirect_uri=attempt.redirect_uri)
        return SignInPage(url=url, state=state)


@dataclass(frozen=True, kw_only=True)
class FinishSignIn:
    """Learn who came back from the provider's page. `secret` is that of `BeginSignIn`."""

    provider: IdentityProvider | None
    key_values: KeyValueStore
    clock: Clock
    secret: Secret

    async def __call__(self, *, code: str | None, state: str | None) -> User:
        """The user; `code` is None when the provider sent none, because the user or the provider refused.

        A state works once, also when several requests bring it at the same moment. Raises `SignInFailed`,
        and `SignInUnavailable` when the provider cannot be asked: then the state is good for what is left of its time,
        unless the store is away as well.
        """
        if self.provider is None:
            raise SignInUnavailable
        if state is None or not is_id(state):
            raise SignInFailed
        attempt = await self._use(state)
        if not code:
            raise SignInFailed
        verifier = _verifier(self.secret, state)
        try:
            return await self.provider.identify(code=code, verifier=verifier, redirect_uri=attempt.redirect_uri)
        except SignInUnavailable:
            await self._put_back(state, attempt)
            raise

    async def _use(self, state: str) -> Attempt:
        kept = await self.key_values.get(state_key(state))
        if kept is None:
            raise SignInFailed
        try:
            await self.key_values.commit(Delete(key=state_key(state), if_equals=kept))
        except CommitRefused:
            raise SignInFailed from None
        return msgspec.json.decode(kept, type=Attempt)

    async def _put_back(self, state: str, attempt: Attempt) -> None:
        passed = (self.clock.now() - attempt.begun_at).total_seconds()  # below 0 where another process's clock is ahead
        left = STATE_TTL_SECONDS - max(0.0, passed)
        if left >= 1:  # else nobody comes back in time
            with contextlib.suppress(StoreUnavailable):
                await self.key_values.commit(_put(state, attempt, left))


def _put(state: str, attempt: Attempt, ttl: float) -> Put:
    return Put(key=state_key(state), value=msgspec.json.encode(attempt), if_absent=True, ttl=ttl)


def _verifier(secret: Secret, state: str) -> str:
    """RFC 7636 section 4.1. Made from the state, so that it need not be kept, and by nobody without the secret."""
    return _base64url(hmac.digest(secret.reveal().encode(), b"pkce:" + state.encode(), "sha256"))


def _s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def _base64url(data: bytes) -> str:
    """Without padding, RFC 7636 appendix A."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
