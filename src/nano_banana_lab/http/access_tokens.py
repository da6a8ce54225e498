"""Access tokens, for programs: made by somebody who signed in, listed and revoked."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from nano_banana_lab.core.identity.access_token import MAX_NAME_CHARACTERS, AccessToken, Scope
from nano_banana_lab.core.identity.access_tokens import USUAL_SCOPES, AccessTokens, TokenWish
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.http import examples
from nano_banana_lab.http.caller import bearer_of
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Sentence, say
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.prompt_text import RULES
from nano_banana_lab.http.scopes import NEEDS_MANAGE
from nano_banana_lab.http.timestamps import Timestamp, rfc3339

REVOKED = Sentence("Revoked the access token.")

MAX_DAYS = 3650


class NewTokenBody(msgspec.Struct, kw_only=True):
    """What an access token shall be called, what it may do, and for how long."""

    name: Annotated[
        str,
        msgspec.Meta(
            description=f"What it is for. 1 to {MAX_NAME_CHARACTERS} characters after trimming.",
            examples=["photo frame in the hall"],
            extra_json_schema={"extra": RULES | {"maxLength": MAX_NAME_CHARACTERS}},
        ),
    ]
    expires_in_days: (
        Annotated[int, msgspec.Meta(ge=1, le=MAX_DAYS, description="Without it the token holds until it is revoked.")]
        | None
    ) = None
    scopes: Annotated[
        list[Scope],
        msgspec.Meta(
            min_length=1,
            description="`generate`: have pictures and prompts made. `read`: look at what is there. `manage`: change "
            "and delete it, access tokens included. By default `generate` and `read`.",
        ),
    ] = msgspec.field(default_factory=lambda: list(USUAL_SCOPES))


class AccessTokenBody(msgspec.Struct, kw_only=True):
    """An access token as its owner sees it: by its first characters. `last_used_at` is right to the minute."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None

    @classmethod
    def of(cls, token: AccessToken) -> "AccessTokenBody":
        """The token, without its text."""
        return cls(**_seen(token))


class CreatedTokenBody(AccessTokenBody, kw_only=True):
    """A new access token. `token` is its text, which nobody can tell again; send it as `Authorization: Bearer`."""

    token: str

    @classmethod
    def made(cls, text: Secret, token: AccessToken) -> "CreatedTokenBody":
        """The token, with its text."""
        return cls(token=text.reveal(), **_seen(token))


class AccessTokensBody(msgspec.Struct, kw_only=True):
    """All of the owner's access tokens that hold, the newest first."""

    tokens: list[AccessTokenBody]
    total: int


class TokenRevokedBody(msgspec.Struct, kw_only=True):
    """A token that is refused from now on."""

    success: bool
    message: str


class AccessTokensController(Controller):
    """Keys for programs, each with a name and with no more rights than it needs."""

    path = "/api/auth/tokens"
    tags = ("Access tokens",)
    opt = NEEDS_MANAGE

    @post(
        status_code=200,
        summary="Make an access token",
        responses=answer(CreatedTokenBody, "The token, which is told this once", examples.ACCESS_TOKEN_CREATED)
        | problems(
            "validation_error",
            "authorization_failed",
            "unsupported_media_type",
            "payload_too_large",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def create(
        self, request: Request[Any, Any, Any], data: JSONBody[NewTokenBody], access_tokens: FromDishka[AccessTokens]
    ) -> CreatedTokenBody:
        """Requests with it count as yours, and what it makes is yours. You may have 50; guests none.

        An access token makes none with scopes that it lacks, and none that holds longer than itself.
        After a 503 look at the list: there may be a token whose text nobody knows.
        Where nobody signs in there are none, and that is 503: any text is as good as a token there.
        """
        wish = TokenWish(name=data.name, scopes=data.scopes, expires_in_days=data.expires_in_days)
        return CreatedTokenBody.made(*await access_tokens.create(await bearer_of(request), wish))

    @get(
        summary="List access tokens",
        responses=answer(AccessTokensBody, "Your tokens", examples.ACCESS_TOKENS)
        | problems("service_unavailable", "internal_error"),
    )
    async def tokens(
        self, request: Request[Any, Any, Any], access_tokens: FromDishka[AccessTokens]
    ) -> AccessTokensBody:
        """Only those that hold: no revoked and no expired ones."""
        found = await access_tokens.of((await bearer_of(request)).owner)
        return AccessTokensBody(tokens=[AccessTokenBody.of(each) for each in found], total=len(found))

    @delete(
        "/{token_id:str}",
        status_code=200,
        summary="Revoke an access token",
        responses=answer(TokenRevokedBody, "It is refused from now on", examples.ACCESS_TOKEN_REVOKED)
        | problems("not_found", "service_unavailable", "internal_error"),
    )
    async def revoke(
        self, request: Request[Any, Any, Any], token_id: FromPath[str], access_tokens: FromDishka[AccessTokens]
    ) -> Response[TokenRevokedBody]:
        """Every process refuses it at once. What it has begun to make is finished and kept."""
        await access_tokens.revoke((await bearer_of(request)).owner, token_id)
        language = language_of(request)
        return in_language(language, TokenRevokedBody(success=True, message=say(REVOKED, language)))


def _seen(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": list(token.scopes),
        "created_at": rfc3339(token.created_at),
        "last_used_at": _time(token.last_used_at),
        "expires_at": _time(token.expires_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
