"""GitHub, and GitHub Enterprise Server, as an `IdentityProvider`: an OAuth app's web application flow with PKCE.

The facts are those of docs.github.com: "Authorizing OAuth apps", "Troubleshooting OAuth app access token request
errors", and "Users" and "Emails" of the REST API.
"""

import asyncio
import logging
import re
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import urlencode

from nano_banana_lab.adapters.github.answers import Email, Exchanged, NoUseError, Profile, decoded
from nano_banana_lab.core.identity.ports import SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.secrets import Secret

if TYPE_CHECKING:
    from nano_banana_lab.adapters.github.connection import GitHubConnection

logger = logging.getLogger(__name__)

SCOPE = "read:user user:email"
PATIENCE_SECONDS = 9.0
"""For everything that `identify` asks, so that it ends well within the 10 seconds it is allowed."""

_EMAIL_SHARE = 0.25
"""How much of that is kept for the e-mail address, which is asked for last and may be missing."""

_CODE = re.compile(r"[\x21-\x7e]{1,512}")
_SAYS_WHAT_IS_WRONG = frozenset({200, 400, 401, 406})
"""RFC 6749 section 5.2 has 400 and 401; GitHub says it with 200, and to GitHub Apps with 406."""

_MISCONFIGURED = {
    "incorrect_client_credentials": "GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET do not belong together",
    "redirect_uri_mismatch": "the redirect address is not below the callback address registered for the OAuth app",
    "application_suspended": "the OAuth app was suspended",
}
"""What is wrong with the installation and not with the user, by GitHub's word for it."""

_T = TypeVar("_T")


class GitHubIdentityProvider:
    """Users of github.com or of a GitHub Enterprise Server, for the OAuth app `client_id`.

    For a server of one's own, `url` is `https://HOST` and `api_url` is `https://HOST/api/v3`.
    `patience` is how many seconds `identify` may take; an e-mail address that does not arrive in time is left out.
    GitHub's tokens are used once and forgotten.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: Secret,
        *,
        url: str = "https://github.com",
        api_url: str = "https://api.github.com",
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._login = f"{url.rstrip('/')}/login/oauth"
        self._api = api_url.rstrip("/")
        self._patience = patience
        self._opening = asyncio.Lock()
        self._connection: GitHubConnection | None = None

    def authorization_url(self, *, state: str, challenge: str, redirect_uri: str | None) -> str:
        query = {
            "client_id": self._client_id,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._login}/authorize?{urlencode(query | _given(redirect_uri=redirect_uri))}"

    async def identify(self, *, code: str, verifier: str, redirect_uri: str | None) -> User:
        if not _CODE.fullmatch(code):
            raise SignInFailed
        try:
            async with asyncio.timeout(self._patience * (1 - _EMAIL_SHARE)):
                token = await self._exchange(code, verifier, redirect_uri)
                profile = await self._ask("/user", token, Profile)
        except (NoUseError, OSError) as error:  # TimeoutError is one, unusable certificates another
            logger.warning("GitHub cannot be asked who signs in: %s.", str(error) or "no answer in time")
            raise SignInUnavailable from None
        return profile.as_user(profile.email or await self._email(token))

    async def aclose(self) -> None:
        """Close every connection to GitHub."""
        async with self._opening:
            connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _exchange(self, code: str, verifier: str, redirect_uri: str | None) -> Secret:
        """GitHub's token for the code."""
        connection = await self._open()
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret.reveal(),
            "code": code,
            "code_verifier": verifier,
        } | _given(redirect_uri=redirect_uri)
        headers = {"accept": "application/json"}
        status, body = await connection.send("POST", f"{self._login}/access_token", headers=headers, form=form)
        if status not in _SAYS_WHAT_IS_WRONG:
            raise NoUseError(f"status {status} for a code")
        answer = decoded(body, Exchanged, "to a code")
        if answer.error is not None:
            _refuse(answer.error)
        if answer.access_token is None:
            raise NoUseError("neither a token nor an error for a code")
        return Secret(answer.access_token)

    async def _email(self, token: Secret) -> str | None:
        """The primary address, if GitHub says it was verified. Signing in does not depend on it."""
        try:
            async with asyncio.timeout(self._patience * _EMAIL_SHARE):
                emails = await self._ask("/user/emails", token, list[Email])
        except (NoUseError, OSError):
            return None
        return next((each.email for each in emails if each.primary and each.verified), None)

    async def _ask(self, path: str, token: Secret, type: type[_T]) -> _T:
        connection = await self._open()
        headers = {"accept": "application/vnd.github+json", "authorization": f"Bearer {token.reveal()}"}
        status, body = await connection.send("GET", self._api + path, headers=headers)
        if status != 200:
            raise NoUseError(f"status {status} for {path}")
        return decoded(body, type, f"to {path}")

    async def _open(self) -> "GitHubConnection":
        async with self._opening:
            if self._connection is None:
                self._connection = await asyncio.to_thread(_new_connection)
            return self._connection


def _new_connection() -> "GitHubConnection":
    from nano_banana_lab.adapters.github.connection import GitHubConnection  # noqa: PLC0415 - takes a tenth of a second

    return GitHubConnection()


def _refuse(error: str) -> NoReturn:
    """Say whose fault it is that there is no token."""
    if error in _MISCONFIGURED:
        logger.error("Nobody can sign in with GitHub until this is mended: %s.", _MISCONFIGURED[error])
        raise SignInUnavailable
    raise SignInFailed


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
