"""Turn what a request brings along into an owner, and what is allowed on that owner's behalf."""

from dataclasses import dataclass
from typing import Protocol

from nano_banana_lab.core.identity.access_token import is_access_token
from nano_banana_lab.core.identity.access_tokens import AccessTokens
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.sessions import Sessions
from nano_banana_lab.core.shared.ids import ANONYMOUS


class IdentifyOwner(Protocol):
    """Says who is asking."""

    async def __call__(self, token: str | None) -> Bearer:
        """Whoever presents this bearer value, a session's or an access token; None when the request brought none.

        Raises `AuthenticationFailed` where that is not enough to be let in.
        """
        ...


class SingleOwner:
    """A lab without sign-in belongs to one owner, whatever token a request carries."""

    async def __call__(self, token: str | None) -> Bearer:  # noqa: ARG002  the token is not looked at
        return Bearer(owner=ANONYMOUS)


@dataclass(frozen=True, kw_only=True)
class SignedInOwner:
    """Everybody has things of their own, and nobody is let in without a token."""

    sessions: Sessions
    access_tokens: AccessTokens

    async def __call__(self, token: str | None) -> Bearer:
        if token is not None and is_access_token(token):
            return await self.access_tokens.recognise(token)
        return Bearer.of((await self.sessions.recognise(token)).user)
