"""What sign-in needs from outside: somebody who vouches for users, and tokens that cannot be forged.

AuthenticationFailed        no token, or one that does not hold; sign-in did not succeed
 └── SignInFailed           the provider did not vouch for anybody
SignInUnavailable           sign-in is not configured, or the provider does not answer
NotAllowed                  known, but not allowed to do this
 ├── ScopeMissing           an access token was made for other things
 ├── SessionNeeded          an access token is not enough
 ├── GuestsHaveNoTokens     a guest wants an access token
 └── TooManyTokens          the owner has as many access tokens as are kept
"""

from datetime import datetime
from typing import Protocol

import msgspec

from nano_banana_lab.core.identity.access_token import Scope
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.secrets import ApiKey, Secret


class AuthenticationFailed(LabError):
    """There is no token, or it is malformed, forged, expired or revoked; a caller learns no more than that."""

    code = "authentication_failed"
    sentence = "Please sign in; the token is missing, expired or not valid."


class SignInFailed(AuthenticationFailed):
    """The sign-in was not begun here, took too long, was tried twice, or the provider refused it."""

    sentence = "Signing in did not succeed; please start again."


class SignInUnavailable(LabError):
    """Nobody can sign in right now: it is not configured, or the provider does not answer."""

    code = "service_unavailable"
    sentence = "Signing in is not possible here right now."


class NotAllowed(LabError):
    """Known, but not allowed to do this."""

    code = "authorization_failed"
    sentence = "You are not allowed to do this."


class ScopeMissing(NotAllowed):
    """The access token was not made for this. Details: `scope`, which it would need."""

    sentence = "This access token may not do this; it lacks the scope {scope}."

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__(scope=scope.value)


class SessionNeeded(NotAllowed):
    """What renews or ends a session, asked for with an access token."""

    sentence = "This takes somebody who has signed in; an access token is not enough."


class GuestsHaveNoTokens(NotAllowed):
    """A guest is nobody whom a token could outlive: both would end with the guest's session."""

    sentence = "Guests cannot have access tokens; please sign in."


class TooManyTokens(NotAllowed):
    """The owner has as many access tokens as are kept. Details: `most`."""

    sentence = "You have {most} access tokens, which is the most there may be; revoke one first."


class IdentityProvider(Protocol):
    """Somebody who knows users and vouches for them by OAuth 2.0 with PKCE (RFC 6749, RFC 7636).

    MUST be safe to use from any number of tasks at once.
    """

    def authorization_url(self, *, state: str, challenge: str, redirect_uri: str | None) -> str:
        """Where the user's browser goes to agree. Asks nobody.

        `challenge` is the S256 challenge of the verifier that `identify` will be given;
        `redirect_uri` is where the provider sends the browser afterwards, None: where it is registered to.
        """
        ...

    async def identify(self, *, code: str, verifier: str, redirect_uri: str | None) -> User:
        """Who agreed. `redirect_uri` is the one that `authorization_url` was given.

        MUST raise `SignInFailed` for a code that is unknown, used before, expired, or was not issued for this verifier.
        MUST raise `SignInUnavailable` within 10 seconds when the provider cannot be reached or makes no sense,
        and when the lab itself is to blame: it is not registered there as it says, or names another `redirect_uri`.
        MUST NOT put the code, the verifier or any credential into an error.
        """
        ...


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says: whom it names, its own `id`, and until when it holds."""

    id: str
    user: User
    expires_at: datetime


class SealBroken(LabError):
    """What was sealed cannot be read: it was sealed with another secret, for something else, or was tampered with."""

    code = "no_api_key"
    sentence = "The API key that was sent with this request cannot be read any more; please send it again."


class KeySealer(Protocol):
    """Keeps keys that users bring along unreadable wherever they have to be stored."""

    def seal(self, key: ApiKey, *, context: str) -> bytes:
        """The key, sealed for `context`; sealing the same key twice gives different bytes. Never empty."""
        ...

    def unseal(self, sealed: bytes, *, context: str) -> ApiKey:
        """The key again.

        MUST raise `SealBroken` for whatever was not sealed with the same secret for the same `context`.
        """
        ...


class TokenIssuer(Protocol):
    """Makes tokens that only holders of the same secret can make. Asks nobody, so it works while stores are down."""

    def issue(self, user: User) -> tuple[Secret, Claims]:
        """A new token for the user, and what it says. No two tokens have the same id."""
        ...

    def read(self, token: str) -> Claims:
        """What the token says.

        MUST raise `AuthenticationFailed` for whatever was not issued with the same secret by the same algorithm,
        is malformed in any way, or has expired. Clocks may be 30 seconds apart.
        """
        ...
