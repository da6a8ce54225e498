"""Codes and tokens of one OAuth app, by the rules of docs.github.com "Authorizing OAuth apps"."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from nano_banana_lab.testing.github.accounts import Account

CODE_SECONDS = 600.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class OAuthError(Exception):
    """Something GitHub refuses, by its own word for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthApp:
    """What an operator registers at GitHub."""

    client_id: str
    client_secret: str
    callback: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a code, and then a token, stands for."""

    account: Account
    scopes: tuple[str, ...]
    challenge: str | None
    redirect_uri: str
    made_at: float


@dataclass(slots=True)
class Grants:
    """Every code and token that is out."""

    app: OAuthApp
    _codes: dict[str, Grant] = field(default_factory=dict)
    _tokens: dict[str, Grant] = field(default_factory=dict)

    def authorize(self, query: Mapping[str, str], account: Account, now: float) -> str:
        """A code for somebody who agrees. Raises `OAuthError`."""
        challenge, method = query.get("code_challenge"), query.get("code_challenge_method")
        if (challenge is None) != (method is None) or method not in (None, "S256") or len(challenge or "x" * 43) != 43:
            raise OAuthError("invalid_request")
        redirect_uri = query.get("redirect_uri", self.app.callback)
        if not is_below(redirect_uri, self.app.callback):
            raise OAuthError("redirect_uri_mismatch")
        scopes = tuple(query.get("scope", "").split())
        code = secrets.token_hex(10)
        self._codes[code] = Grant(
            account=account, scopes=scopes, challenge=challenge, redirect_uri=redirect_uri, made_at=now
        )
        return code

    def exchange(self, fields: Mapping[str, str], now: float) -> tuple[str, Grant]:
        """A token for a code, which is used up, and what both stand for. Raises `OAuthError`."""
        if (fields.get("client_id"), fields.get("client_secret")) != (self.app.client_id, self.app.client_secret):
            raise OAuthError("incorrect_client_credentials")
        grant = self._codes.pop(fields.get("code", ""), None)
        if grant is None or now >= grant.made_at + CODE_SECONDS:
            raise OAuthError("bad_verification_code")
        if fields.get("redirect_uri", grant.redirect_uri) != grant.redirect_uri:
            raise OAuthError("redirect_uri_mismatch")
        if grant.challenge is not None and grant.challenge != s256(fields.get("code_verifier", "")):
            raise OAuthError("bad_verification_code")  # GitHub documents no word of its own for it
        token = f"gho_{secrets.token_hex(18)}"
        self._tokens[token] = grant
        return token, grant

    @property
    def tokens(self) -> list[str]:
        """Every token that is out."""
        return list(self._tokens)

    def of_token(self, authorization: str) -> Grant | None:
        """What an `Authorization` stands for."""
        scheme, _, token = authorization.partition(" ")
        return self._tokens.get(token) if scheme.lower() in ("bearer", "token") else None


def is_below(address: str, callback: str) -> bool:
    """GitHub's rule for redirects: the same host or one below it, the same port, the same path or one below it.

    On loopback addresses any port will do.
    """
    asked, registered = urlsplit(address), urlsplit(callback)
    host, home = asked.hostname or "", registered.hostname or ""
    if asked.scheme != registered.scheme or not f".{host}".endswith(f".{home}"):
        return False
    if asked.port != registered.port and home not in _LOOPBACK:
        return False
    return f"{asked.path}/".startswith(f"{registered.path.rstrip('/')}/") and ".." not in asked.path


def s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
