"""Sign in with an identity provider: once to its page and back, in ten minutes."""

import base64
import hashlib
import secrets
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.identity.keys import state_key
from nano_banana_lab.core.identity.ports import IdentityProvider, SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import is_id, new_id
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

STATE_TTL_SECONDS = 600


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that was begun. The verifier never leaves the lab before the code is exchanged (RFC 7636)."""

    verifier: str
    redirect_uri: str | None


class SignInPage(msgspec.Struct, frozen=True, kw_only=True):
    """Where the user's browser goes, and the `state` that comes back with it: unguessable, good once, for ten minutes."""

    url: str
    state: str


@dataclass(frozen=True, kw_only=True)
class BeginSignIn:
    """Send a user to the provider's page. `provider` is None while sign-in is not configured."""

    provider: IdentityProvider | None
    key_values: KeyValueStore
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
        attempt = Attempt(verifier=secrets.token_urlsafe(48), redirect_uri=redirect_uri or self.default_redirect_uri)
        await self.key_values.commit(
            Put(key=state_key(state), value=msgspec.json.encode(attempt), if_absent=True, ttl=STATE_TTL_SECONDS)
        )
        url = self.provider.authorization_url(
            state=state, challenge=_s256(attempt.verifier), redirect_uri=attempt.redirect_uri
        )
        return SignInPage(url=url, state=state)


@dataclass(frozen=True, kw_only=True)
class FinishSignIn:
    """Learn who came back from the provider's page."""

    provider: IdentityProvider | None
    key_values: KeyValueStore

    async def __call__(self, *, code: str | None, state: str | None) -> User:
        """The user; `code` is None when the provider sent none, because the user or the provider refused.

        A state works once, whatever comes of it, also when several requests bring it at the same moment.
        Raises `SignInFailed`, and `SignInUnavailable` when the provider cannot be asked.
        """
        if self.provider is None:
            raise SignInUnavailable
        attempt = await self._use(state)
        if not code:
            raise SignInFailed
        return await self.provider.identify(code=code, verifier=attempt.verifier, redirect_uri=attempt.redirect_uri)

    async def _use(self, state: str | None) -> Attempt:
        if state is None or not is_id(state):
            raise SignInFailed
        kept = await self.key_values.get(state_key(state))
        if kept is None:
            raise SignInFailed
        try:
            await self.key_values.commit(Delete(key=state_key(state), if_equals=kept))
        except CommitRefused:
            raise SignInFailed from None
        return msgspec.json.decode(kept, type=Attempt)


def _s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")
