"""Requests and replies between the double and its server."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SECRET_FIELDS = ("client_secret", "code", "code_verifier")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request as it arrived; a field that was sent twice has its last value."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> Mapping[str, str]:
        """What a form or an object of JSON says; nothing where the body is neither."""
        if "json" not in self.headers.get("content-type", ""):
            return dict(parse_qsl(self.body.decode("utf-8", "replace")))
        try:
            return msgspec.json.decode(self.body, type=dict[str, str])
        except msgspec.DecodeError:
            return {}


@dataclass(kw_only=True, slots=True)
class RecordedRequest:
    """One request as it is remembered: secrets, codes and the `authorization` are shown as their SHA-256.

    `status` is what was answered; it stays None while a request hangs.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    status: int | None = None
    hung_up: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body and headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def fingerprint(text: str) -> str:
    """How a secret is shown in records."""
    return hashlib.sha256(text.encode()).hexdigest()


def recorded(request: Request) -> RecordedRequest:
    """What may be remembered of a request."""
    return RecordedRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=_hidden(request.headers, ("authorization",)),
        fields=_hidden(request.fields, _SECRET_FIELDS),
    )


def json(value: Any, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """A body of JSON."""
    return Reply(status, msgspec.json.encode(value), {"content-type": "application/json; charset=utf-8", **headers})


def form(fields: Mapping[str, str]) -> Reply:
    """A body like a query, which is what GitHub sends to whoever does not ask for JSON."""
    return Reply(200, urlencode(fields).encode(), {"content-type": "application/x-www-form-urlencoded; charset=utf-8"})


def page(title: str, status: int) -> Reply:
    """A body of HTML."""
    return Reply(status, f"<!DOCTYPE html><title>{title}</title>".encode(), {"content-type": "text/html"})


async def read_request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """The whole request, body included."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


async def answer(send: Send, reply: Reply) -> None:
    """Send all of it."""
    await send(_start(reply, len(reply.body)))
    await send({"type": "http.response.body", "body": reply.body})


async def answer_half(send: Send, reply: Reply) -> None:
    """Announce all of it and send half."""
    await send(_start(reply, len(reply.body)))
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})


async def answer_endlessly(send: Send, receive: Receive) -> None:
    """Send JSON that does not end, until the client hangs up."""
    hung_up = asyncio.ensure_future(until_hung_up(receive))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    while not hung_up.done():
        await send({"type": "http.response.body", "body": b"[" * 65536, "more_body": True})
        await asyncio.sleep(0)


async def until_hung_up(receive: Receive) -> None:
    """Return once the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def hang_up(send: Send, receive: Receive) -> None:
    """Close the connection. ASGI has no word for it, so uvicorn's own request cycle is asked."""
    transport: asyncio.WriteTransport = getattr(send, "__self__").transport  # noqa: B009 - not a field of a Callable
    transport.close()
    await until_hung_up(receive)


def _start(reply: Reply, length: int) -> MutableMapping[str, Any]:
    headers = {**reply.headers, "content-length": str(length)}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": reply.status, "headers": raw}


def _hidden(fields: Mapping[str, str], names: tuple[str, ...]) -> Mapping[str, str]:
    return {name: fingerprint(value) if name in names else value for name, value in fields.items()}
