"""`Idempotency-Key`: a request that spends money can be repeated without spending it again.

A route opts in with `middleware=[Idempotency()]` and, for the document, `operation_class=IdempotentOperation`.
The header is that of draft-ietf-httpapi-idempotency-key-header, its value taken as it is, quotes included.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, OpenAPIType, Operation, Parameter, Schema
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.caller import owner_of
from nano_banana_lab.http.idempotent_outcomes import IDEMPOTENCY_KEY, Answer, IdempotentOutcomes

REPLAYED = "Idempotency-Replayed"
MAX_KEY_CHARACTERS = 255

_KEY = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_CHARACTERS}}}")
_BLANKS = " \t"
"""What may surround a header's value (RFC 9110 section 5.5); `str.strip` alone would take more."""


class Idempotency(ASGIMiddleware):
    """Answers a repeat with the first outcome; a request without the header passes untouched."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises `ValidationFailed`, and what `IdempotentOutcomes.once` and `owner_of` raise."""
        request = Request[Any, Any, Any](scope, receive, send)
        sent = request.headers.getall(IDEMPOTENCY_KEY, [])
        if not sent:
            await next_app(scope, receive, send)
            return

        async def ask() -> Answer:
            exchange = _Exchange(await request.body())
            await next_app(scope, exchange.receive, exchange.send)
            return exchange.answer

        place = outcome_key(await owner_of(request), key_of(sent))
        outcomes = await scope["state"]["dishka_container"].get(IdempotentOutcomes)
        answer, replayed = await outcomes.once(place, await fingerprint_of(request), ask)
        for message in _messages(answer, replayed=replayed):
            await send(message)


@dataclass
class IdempotentOperation(Operation):
    """The description of an operation that takes an `Idempotency-Key`."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), _key_parameter()]
        for status, response in (self.responses or {}).items():
            if status.startswith("2"):
                described = cast("OpenAPIResponse", response)
                described.headers = {**(described.headers or {}), REPLAYED: _replayed_header()}


def key_of(sent: Sequence[str]) -> str:
    """The key in the header's lines, there is at least one. Raises `ValidationFailed` unless it is one usable key."""
    key = sent[0].strip(_BLANKS)
    if len(sent) > 1:
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "sent_twice")
    if not key:
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "blank")
    if len(key) > MAX_KEY_CHARACTERS:
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "too_long", most=MAX_KEY_CHARACTERS)
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "bad_characters")
    return key


def outcome_key(owner: OwnerId, key: str) -> str:
    """Where the outcome is kept. The key itself may be anything, so it is not written down."""
    return f"idempotency/{owner}/{hashlib.sha256(key.encode()).hexdigest()}"


async def fingerprint_of(request: Request[Any, Any, Any]) -> str:
    """The same for two requests that ask for the same. Raises what reading the body raises.

    The body stays with the connection, where the route finds it.
    """
    media_type, parameters = request.content_type
    asked = [
        request.method,
        request.scope["path"],
        request.scope["query_string"],
        request.headers.getall("prefer", []),
        media_type or RequestEncodingType.JSON,  # which is how routes read a body without one
    ]
    is_form = media_type == RequestEncodingType.MULTI_PART
    boundary = parameters.get("boundary", "") if is_form else ""
    return await asyncio.to_thread(_digest, msgspec.json.encode(asked), await request.body(), boundary)


def _digest(asked: bytes, body: bytes, boundary: str) -> str:
    """A form's boundary is drawn anew for each request, so it is left out."""
    if boundary:
        body = body.replace(b"--" + boundary.encode("latin-1"), b"--")
    digest = hashlib.sha256(asked)
    digest.update(hashlib.sha256(body).digest())
    return digest.hexdigest()


class _Exchange:
    """Stands between the route and the client, who may hang up meanwhile: the route never learns of it."""

    def __init__(self, body: bytes) -> None:
        self._unread: list[bytes] = [body]
        self._sent: list[Any] = []
        self._over = asyncio.Event()

    async def receive(self) -> Any:
        if self._unread:
            return {"type": "http.request", "body": self._unread.pop(), "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self._sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._over.set()

    @property
    def answer(self) -> Answer:
        """All that the route has sent."""
        start, *rest = self._sent
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]]
        body = b"".join([message.get("body", b"") for message in rest])
        return Answer(status=start["status"], headers=tuple(headers), body=body)


def _messages(answer: Answer, *, replayed: bool) -> tuple[Message, Message]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if replayed:
        headers += [(b"content-length", b"%d" % len(answer.body)), (REPLAYED.lower().encode(), b"true")]
    return (
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": answer.body, "more_body": False},
    )


def _key_parameter() -> Parameter:
    return Parameter(
        name=IDEMPOTENCY_KEY,
        param_in="header",
        required=False,
        description=(
            "A name of your choice for this request, such as a UUID: printable ASCII, different for each request. "
            "A repeat with the same key and the same body gets the first outcome again and spends nothing; "
            "with another body it is 422, while the first one runs 409. Only successes are kept, for a day unless "
            "configured otherwise; after a failure the key can be used again."
        ),
        schema=Schema(
            type=OpenAPIType.STRING,
            min_length=1,
            max_length=MAX_KEY_CHARACTERS,
            examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        ),
    )


def _replayed_header() -> OpenAPIHeader:
    return OpenAPIHeader(
        description="`true` when this is the outcome of an earlier request with the same `Idempotency-Key`.",
        schema=Schema(type=OpenAPIType.STRING, enum=["true"]),
    )
