"""Every way in which the upstream fails, as exactly one error of the core (GEMINI.md sections 4 and 5.4)."""

import logging
import re
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import httpx2
from google.genai.errors import APIError, UnknownApiResponseError

from nano_banana_lab.adapters.gemini.rate_limits import rate_limit
from nano_banana_lab.adapters.gemini.transport import AnswerLostError
from nano_banana_lab.core.generation.ports import (
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    UpstreamFailed,
    UpstreamRejected,
)
from nano_banana_lab.core.shared.secrets import ApiKey

_log = logging.getLogger(__name__)

T = TypeVar("T")

_ANY_KEY = re.compile(r"(AIza|AQ\.)[\w.\-]{8,}")
_REJECTIONS = (
    ("thought_signature", re.compile(r"thought[_ ]signature", re.IGNORECASE)),
    ("input_image", re.compile(r"unable to process input image|provided image is not valid", re.IGNORECASE)),
    ("location", re.compile(r"location is not supported", re.IGNORECASE)),
)


async def translated(call: Awaitable[T], *, model: str, successor: str | None, key: ApiKey) -> T:
    """What `call` returns; what it raises becomes an error of the core.

    The original is left out of the error's chain on purpose: it holds the request with its key and the upstream's body.
    """
    try:
        return await call
    except GenerationError:
        raise
    except Exception as error:
        failure = failure_of(error, model=model, successor=successor)
        if failure is None:
            raise
        _log.warning("Gemini call failed: %s", _without_keys(_summary(error), key))
    raise failure


def failure_of(error: Exception, *, model: str, successor: str | None = None) -> GenerationError | None:
    """The core's error for one of google-genai, its transport or ours; None for what is not theirs, a bug."""
    if isinstance(error, APIError):
        return _refusal(error, model, successor)
    if isinstance(error, AnswerLostError):
        return UpstreamFailed(reason="answer_lost")
    if isinstance(error, httpx2.TransportError):
        return UpstreamFailed(reason="unreachable")
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | UnknownApiResponseError):
        return UpstreamFailed()
    return None


def _refusal(error: APIError, model: str, successor: str | None) -> GenerationError:
    status, body = error.code, _body(error.details)
    if status in (401, 403) or (status == 400 and _blames_the_key(body)):
        return InvalidApiKey() if _is_googles(body) else UpstreamRejected(upstream_status=status)
    if status == 404:
        return ModelRetired(model=model, successor=successor)
    if status == 429:
        return rate_limit(_text(body, "message"), details_of(body))
    if 400 <= status < 500:
        return _rejection(status, body)
    return UpstreamFailed(upstream_status=status)


def _rejection(status: int, body: Mapping[str, Any]) -> UpstreamRejected:
    message = _text(body, "message")
    reason = next((name for name, pattern in _REJECTIONS if pattern.search(message)), None)
    code = _text(body, "status") if _is_googles(body) else None
    return UpstreamRejected(upstream_status=status, upstream_code=code, reason=reason)


def _blames_the_key(body: Mapping[str, Any]) -> bool:
    reasons = {str(detail.get("reason")) for detail in details_of(body)}
    return any(reason.startswith("API_KEY") for reason in reasons) or _text(body, "message").startswith("API key ")


def _body(details: Any) -> Mapping[str, Any]:
    """The `error` object of an upstream body, or nothing."""
    outer = details[0] if isinstance(details, list) and details else details
    inner = outer.get("error") if isinstance(outer, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _is_googles(body: Mapping[str, Any]) -> bool:
    """Whether Google said it, and not a proxy on the way."""
    return bool(_text(body, "status"))


def details_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The typed details (`google.rpc.*`) of an error, when there are any."""
    details = body.get("details")
    return [item for item in details if isinstance(item, Mapping)] if isinstance(details, list) else []


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _summary(error: Exception) -> str:
    body = _body(getattr(error, "details", None))
    words = (type(error).__name__, getattr(error, "code", ""), _text(body, "status"), _text(body, "message")[:300])
    return " ".join(" ".join(str(word) for word in words).split())


def _without_keys(text: str, key: ApiKey) -> str:
    return _ANY_KEY.sub("***", text.replace(key.reveal(), "***"))
