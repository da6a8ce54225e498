"""Turn what a request brings along into an owner."""

from dataclasses import dataclass
from typing import Protocol

from nano_banana_lab.core.identity.sessions import Sessions
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId


class IdentifyOwner(Protocol):
    """Says who is asking."""

    async def __call__(self, token: str | None) -> OwnerId:
        """The owner that a bearer token names; None when the request brought no token.

        Raises `AuthenticationFailed` where that is not enough to be let in.
        """
        ...


class SingleOwner:
    """A lab without sign-in belongs to one owner, whatever token a request carries."""

    async def __call__(self, token: str | None) -> OwnerId:  # noqa: ARG002  the token is not looked at
        return ANONYMOUS


@dataclass(frozen=True, kw_only=True)
class SignedInOwner:
    """Everybody has things of their own, and nobody is let in without a token."""

    sessions: Sessions

    async def __call__(self, token: str | None) -> OwnerId:
        return (await self.sessions.recognise(token)).user.owner
