"""The double as an ASGI application."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

from nano_banana_lab.testing.gemini import refusals, rules
from nano_banana_lab.testing.gemini.answers import Question, answer_to
from nano_banana_lab.testing.gemini.models import MODELS, described
from nano_banana_lab.testing.gemini.refusals import Refusal
from nano_banana_lab.testing.gemini.requests import ReadBody, RecordedRequest, fingerprint, prompt_of, read_body
from nano_banana_lab.testing.gemini.scenarios import MEANINGS, Scenarios

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ROUTE = re.compile(r"(?:.*)/(?P<version>v1|v1beta)/models(?:/(?P<model>[^/:]+)(?::(?P<verb>\w+))?)?")
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_SECRET_HEADERS = ("x-goog-api-key", "authorization", "cookie")

Reply = tuple[int, dict[str, str], bytes]
_UNUSUAL: dict[str, Reply] = {
    "html-502": (502, {"content-type": "text/html"}, _PAGE),
    "html-403": (403, {"content-type": "text/html"}, _PAGE),
    "redirect": (302, {"location": "/elsewhere"}, b""),
    "empty": (200, {"content-type": "application/json"}, b""),
    "garbage": (200, {"content-type": "application/json"}, b'{"candidates": [{"content": '),
}


class HungUpError(Exception):
    """The client closed the connection before it had its answer."""


@dataclass(slots=True)
class GeminiApp:
    """Answers like Gemini and remembers what it was asked; `latency` seconds for every generation."""

    latency: float = 0.0
    requests: list[RecordedRequest] = field(default_factory=list)
    scenarios: Scenarios = field(default_factory=Scenarios)
    _gates: dict[str, asyncio.Event] = field(default_factory=dict)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, body = scope["path"], await _body(receive)
        if path == "/" or path.startswith("/__double__/"):
            await _reply(send, self._control(scope["method"], path, body))
            return
        record = _record(scope, path)
        self.requests.append(record)
        try:
            await self._serve(scope, record, body, receive, send)
        except HungUpError:
            record.hung_up = True

    def release(self, name: str) -> None:
        """Let the calls go that `[[hold NAME]]` keeps waiting, now and later."""
        self._gate(name).set()

    def clear(self) -> None:
        """Forget requests, counts, script and releases."""
        self.requests.clear()
        self.scenarios.clear()
        self._gates.clear()

    async def _serve(
        self, scope: MutableMapping[str, Any], record: RecordedRequest, body: bytes, receive: Receive, send: Send
    ) -> None:
        key, route = _key(scope), _ROUTE.fullmatch(record.path)
        refusal = rules.about_key(key)
        if refusal is None and (route is None or route["verb"] not in (None, "generateContent")):
            refusal = Refusal(404, "NOT_FOUND", "The double serves no such path.")
        if refusal is None and route is not None and route["model"]:
            refusal = rules.about_model(route["model"], route["version"])
        if refusal is not None or route is None or key is None:
            await _finish(send, record, _refused(refusal or refusals.NO_KEY))
        elif route["verb"] is None:
            await _finish(send, record, _listing(route["model"]))
        else:
            await self._generate(record, Asked(key, route["model"], body), receive, send)

    async def _generate(self, record: RecordedRequest, asked: "Asked", receive: Receive, send: Send) -> None:
        read = asked.read()
        if isinstance(read, Refusal):
            await _finish(send, record, _refused(read))
            return
        record.body = read.json
        markers = self.scenarios.applying_to(prompt_of(read.json))
        refusal = (
            rules.about_deadline(record.headers.get("x-server-timeout"))
            or rules.about_body(read, asked.key, asked.model)
            or rules.about_markers(markers)
        )
        if refusal is not None:
            await _finish(send, record, _refused(refusal))
            return
        await _unless_hung_up(self._wait(markers), receive)
        await self._answer(record, Question(model=asked.model, key=asked.key, body=read, markers=markers), send)
        if markers.keys() & {"disconnect", "cut"}:
            await _hang_up(send, receive)

    async def _answer(self, record: RecordedRequest, question: Question, send: Send) -> None:
        names = question.markers
        if "disconnect" in names:
            return
        refusal = next((refusals.BY_NAME[name] for name in names if name in refusals.BY_NAME), None)
        unusual = next((_UNUSUAL[name] for name in names if name in _UNUSUAL), None)
        if refusal is not None:
            await _finish(send, record, _json(refusal.body(question.key), refusal.code))
        elif unusual is not None:
            await _finish(send, record, unusual)
        else:
            # In a thread: drawing and encoding a large picture must not keep other calls waiting.
            content = await asyncio.to_thread(lambda: msgspec.json.encode(answer_to(question)))
            await _finish(send, record, (200, {"content-type": "application/json"}, content), cut="cut" in names)

    async def _wait(self, markers: dict[str, str]) -> None:
        await asyncio.sleep(self.latency + float(markers.get("slow") or 0))
        if "hold" in markers:
            await self._gate(markers["hold"]).wait()

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def _control(self, method: str, path: str, body: bytes) -> Reply:
        match method, path.removeprefix("/__double__"):
            case "GET", "/":
                return _json({"markers": MEANINGS, "models": sorted(MODELS)})
            case "GET", "/requests":
                return _json(self.requests)
            case "DELETE", "/requests":
                self.clear()
            case "POST", "/script":
                self.scenarios.script = body.decode()
            case "POST", gate if gate.startswith("/release/"):
                self.release(gate.removeprefix("/release/"))
            case _:
                return _json({"error": "no such path"}, 404)
        return 204, {}, b""


@dataclass(frozen=True, slots=True)
class Asked:
    """A generation as it came in."""

    key: str
    model: str
    body: bytes

    def read(self) -> ReadBody | Refusal:
        try:
            return read_body(msgspec.json.decode(self.body))
        except (ValueError, AttributeError, TypeError):
            return refusals.invalid("Invalid JSON payload received.")


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _record(scope: MutableMapping[str, Any], path: str) -> RecordedRequest:
    headers = _headers(scope)
    return RecordedRequest(
        method=scope["method"],
        path=path,
        headers={name: value for name, value in headers.items() if name not in _SECRET_HEADERS},
        key_sha256=fingerprint(_key(scope)),
        body={},
    )


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Repeated headers joined, so that a second key beside the first cannot hide."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known = headers.get(name.decode())
        headers[name.decode()] = value.decode() if known is None else f"{known}, {value.decode()}"
    return headers


def _key(scope: MutableMapping[str, Any]) -> str | None:
    in_query = parse_qs(scope["query_string"].decode()).get("key")
    return _headers(scope).get("x-goog-api-key") or (in_query[0] if in_query else None)


async def _unless_hung_up(waiting: Awaitable[None], receive: Receive) -> None:
    answer, hang_up = asyncio.ensure_future(waiting), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise HungUpError
    finally:
        answer.cancel()
        hang_up.cancel()


async def _finish(send: Send, record: RecordedRequest, reply: Reply, *, cut: bool = False) -> None:
    record.status = reply[0]
    if not cut:
        await _reply(send, reply)
        return
    status, headers, content = reply
    await send(_start(status, headers | {"content-length": str(len(content))}))
    await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})


async def _reply(send: Send, reply: Reply) -> None:
    status, headers, content = reply
    await send(_start(status, headers | {"content-length": str(len(content))}))
    await send({"type": "http.response.body", "body": content})


def _start(status: int, headers: dict[str, str]) -> MutableMapping[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


async def _hang_up(send: Send, receive: Receive) -> None:
    """Close the connection. ASGI has no word for it, so uvicorn's own request cycle is asked."""
    transport: asyncio.WriteTransport = getattr(send, "__self__").transport  # noqa: B009 - not a field of a Callable
    transport.close()
    await receive()


def _refused(refusal: Refusal) -> Reply:
    return _json(refusal.body(), refusal.code)


def _listing(model: str | None) -> Reply:
    return _json(described(model) if model else {"models": [described(name) for name in MODELS]})


def _json(value: Any, status: int = 200) -> Reply:
    return status, {"content-type": "application/json; charset=UTF-8"}, msgspec.json.encode(value)
