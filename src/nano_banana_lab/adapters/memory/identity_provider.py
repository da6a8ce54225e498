"""An `IdentityProvider` in this process's memory: for tests of whatever needs users, without anybody's server."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from nano_banana_lab.core.identity.ports import SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.user import User, github_folder
from nano_banana_lab.core.shared.clock import Clock

CODE_LIFETIME = timedelta(minutes=10)
"""RFC 6749 section 4.1.2 recommends it, and GitHub does it."""

OCTOCAT = User(
    id="583231",
    login="octocat",
    name="The Octocat",
    email="octocat@example.org",
    avatar_url="https://example.org/octocat.png",
    user_folder_id=github_folder("583231"),
)


@dataclass(frozen=True, kw_only=True)
class _Agreement:
    """What a user agreed to when the code was made."""

    user: User
    challenge: str
    redirect_uri: str | None
    expires_at: datetime


class MemoryIdentityProvider:
    """Vouches for `users`, one of whom `agree`s where a person would press a button in the browser.

        url = provider.authorization_url(state=state, challenge=challenge, redirect_uri=None)
        code = provider.agree(url)

    Codes expire as `clock` says, work once, and only with the verifier and the address they were made for.
    Nobody can sign in while `available` is False.
    """

    def __init__(self, *users: User, clock: Clock, page: str = "https://identity.example.org/authorize") -> None:
        self.available = True
        self._users = {user.login: user for user in users or (OCTOCAT,)}
        self._clock = clock
        self._page = page
        self._agreements: dict[str, _Agreement] = {}

    def authorization_url(self, *, state: str, challenge: str, redirect_uri: str | None) -> str:
        query = {"state": state, "code_challenge": challenge, "code_challenge_method": "S256"}
        if redirect_uri is not None:
            query["redirect_uri"] = redirect_uri
        return f"{self._page}?{urlencode(query)}"

    def agree(self, url: str, login: str | None = None) -> str:
        """The code that the browser would bring back from that address; without a login the first user agrees.

        Raises KeyError for a user this provider does not have.
        """
        query = parse_qs(urlsplit(url).query)
        code = secrets.token_hex(10)
        self._agreements[code] = _Agreement(
            user=self._users[login or next(iter(self._users))],
            challenge=query["code_challenge"][0],
            redirect_uri=query.get("redirect_uri", [None])[0],
            expires_at=self._clock.now() + CODE_LIFETIME,
        )
        return code

    async def identify(self, *, code: str, verifier: str, redirect_uri: str | None) -> User:
        if not self.available:
            raise SignInUnavailable
        agreement = self._agreements.pop(code, None)
        if agreement is None or agreement.expires_at <= self._clock.now():
            raise SignInFailed
        if agreement.challenge != _s256(verifier):
            raise SignInFailed
        if agreement.redirect_uri != redirect_uri:
            raise SignInUnavailable
        return agreement.user


def _s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
