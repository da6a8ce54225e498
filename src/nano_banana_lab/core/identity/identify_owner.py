"""Turn what a request brings along into an owner."""

from typing import Protocol

from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId


class IdentifyOwner(Protocol):
    """Says who is asking."""

    async def __call__(self, token: str | None) -> OwnerId:
        """The owner that a bearer token names; None when the request brought no token."""
        ...


class SingleOwner:
    """A lab without sign-in belongs to one owner, whatever token a request carries."""

    async def __call__(self, token: str | None) -> OwnerId:  # noqa: ARG002  the token is not looked at
        return ANONYMOUS
