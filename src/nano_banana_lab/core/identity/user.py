"""Somebody who signed in, or came as a guest."""

import hashlib
import secrets

import msgspec

from nano_banana_lab.core.shared.ids import OwnerId

GUEST = "guest-"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token names.

    `id` is the provider's (GitHub: decimal digits; a guest's is made here) and `user_folder_id` is the `OwnerId`:
    the folder of the user's pictures and part of every key.
    """

    id: str
    login: str
    name: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    user_folder_id: str

    @property
    def owner(self) -> OwnerId:
        """Under which name the user's things are kept."""
        return OwnerId(self.user_folder_id)

    @property
    def is_guest(self) -> bool:
        """Whether nobody vouches for this user."""
        return self.user_folder_id.startswith(GUEST)


def github_folder(id: str) -> str:
    """The folder of a GitHub user, whose `id` is in decimal digits; pictures of earlier versions are filed under it."""
    return hashlib.md5(f"github_{id}".encode(), usedforsecurity=False).hexdigest()[:16]


def new_guest() -> User:
    """A visitor without an account, whom nobody will meet again once the token has expired."""
    made_up = GUEST + secrets.token_hex(16)
    return User(id=made_up, login=made_up[: len(GUEST) + 4], name="Guest", user_folder_id=made_up)
