"""Who sent this request."""

import re
from typing import Any

from litestar import Request

from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import ApiKey

API_KEY_HEADER = "X-API-Key"
_API_KEY = re.compile(r"[\x21-\x7e]{1,512}")


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller, from the bearer token and the `X-API-Key` header."""
    identify: IdentifyOwner = await request.app.state.dishka_container.get(IdentifyOwner)
    return Caller(owner=await identify(_bearer_token(request)), api_key=api_key_of(request))


def _bearer_token(request: Request[Any, Any, Any]) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def api_key_of(request: Request[Any, Any, Any]) -> ApiKey | None:
    """The caller's own Google key. Raises `ValidationFailed` for what cannot be one."""
    sent = request.headers.get(API_KEY_HEADER.lower(), "").strip()
    if not sent:
        return None
    if not _API_KEY.fullmatch(sent):
        raise ValidationFailed.of(API_KEY_HEADER, "bad_characters")
    return ApiKey(sent)
