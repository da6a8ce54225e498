"""Who can sign in at the double."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """An e-mail address of an account."""

    email: str
    primary: bool = True
    verified: bool = True

    def shown(self) -> dict[str, Any]:
        visibility = "private" if self.primary else None
        return {"email": self.email, "primary": self.primary, "verified": self.verified, "visibility": visibility}


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of GitHub. `email` is the address on the public profile, None for those who show none."""

    id: int
    login: str
    name: str | None = None
    email: str | None = None
    addresses: tuple[Address, ...] = ()
    avatar_url: str = "https://avatars.example.org/u/1?v=4"

    def profile(self) -> dict[str, Any]:
        """`GET /user`, without the numbers of repositories and the addresses of everything."""
        return {
            "login": self.login,
            "id": self.id,
            "node_id": f"U_{self.id:x}",
            "avatar_url": self.avatar_url,
            "gravatar_id": "",
            "url": f"https://api.github.com/users/{self.login}",
            "html_url": f"https://github.com/{self.login}",
            "type": "User",
            "site_admin": False,
            "name": self.name,
            "company": None,
            "blog": "",
            "location": None,
            "email": self.email,
            "created_at": "2011-01-25T18:44:36Z",
            "updated_at": "2026-11-01T09:30:00Z",
        }


OCTOCAT = Account(id=583231, login="octocat", name="The Octocat", email="octocat@example.org")
"""Shows an address to everybody."""

MONA = Account(
    id=9007199254740993,  # not a number of JavaScript's
    login="mona",
    addresses=(
        Address(email="old-mona@example.org", primary=False),
        Address(email="mona@example.org"),
    ),
)
"""Shows neither name nor address."""
