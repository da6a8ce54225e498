"""Who sent this request."""

import re
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection

from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.shared.secrets import ApiKey

CALLER = "caller"
"""Under this name a route asks for its caller."""

API_KEY_HEADER = "X-API-Key"
_API_KEY = re.compile(r"[\x21-\x7e]{1,512}")

Connection = ASGIConnection[Any, Any, Any, Any]


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller, from the bearer token and the `X-API-Key` header. Raises what `owner_of` and `api_key_of` raise."""
    return Caller(owner=await owner_of(request), api_key=api_key_of(request))


async def owner_of(connection: Connection) -> OwnerId:
    """On whose behalf the request is made. Raises `AuthenticationFailed`."""
    return (await bearer_of(connection)).owner


async def bearer_of(connection: Connection) -> Bearer:
    """Who is asking and what they may do, found out once for each request. Raises `AuthenticationFailed`."""
    state: dict[str, Any] = connection.scope["state"]
    if "bearer" not in state:
        identify: IdentifyOwner = await state["dishka_container"].get(IdentifyOwner)
        state["bearer"] = await identify(bearer_token(connection))
    bearer: Bearer = state["bearer"]
    return bearer


def bearer_token(connection: Connection) -> str | None:
    """The token of the `Authorization` header (RFC 6750), None when there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def api_key_of(connection: Connection) -> ApiKey | None:
    """The caller's own Google key. Raises `ValidationFailed` for what cannot be one."""
    sent = [line.strip() for line in connection.headers.getall(API_KEY_HEADER.lower(), [])]
    if len(sent) > 1:
        raise ValidationFailed.of(API_KEY_HEADER, "sent_twice")
    if sent in ([], [""]):
        return None
    if not _API_KEY.fullmatch(sent[0]):
        raise ValidationFailed.of(API_KEY_HEADER, "bad_characters")
    return ApiKey(sent[0])
