"""Whoever presents a bearer value (RFC 6750)."""

import msgspec

from nano_banana_lab.core.identity.access_token import AccessToken, Scope
from nano_banana_lab.core.identity.ports import ScopeMissing
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.ids import OwnerId


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf, and what they may do.

    `user` is None where nobody signs in. `access_token` is None for a session, which may do everything.
    """

    owner: OwnerId
    user: User | None = None
    access_token: AccessToken | None = None

    @classmethod
    def of(cls, user: User, access_token: AccessToken | None = None) -> "Bearer":
        """A user by a session, or by this token of theirs."""
        return cls(owner=user.owner, user=user, access_token=access_token)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What they may do."""
        return tuple(Scope) if self.access_token is None else self.access_token.scopes

    def insist_on(self, *scopes: Scope) -> None:
        """Raises `ScopeMissing` naming the first of these that they do not have."""
        for scope in scopes:
            if scope not in self.scopes:
                raise ScopeMissing(scope)
