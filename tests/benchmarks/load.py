"""Clients that cost little, so that what is measured is the server."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

_LIMIT = 2**20


class Connection:
    """One kept-alive connection to a server that tells the length of its answers (RFC 9112); one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Self:
        """A new one; `url` is `http://127.0.0.1:PORT`."""
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=_LIMIT))

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON; a body is sent as JSON unless it is bytes. Raises RuntimeError for any status but a 2xx."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return json.loads(await self.send(request(method, path, content, **headers)))

    async def send(self, raw: bytes) -> bytes:
        """The body of the answer to a request as it goes over the wire."""
        self._writer.write(raw)
        head = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._reader.readexactly(_length(head))
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError((head + body[:2000]).decode(errors="replace"))
        return body

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def connected(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections to one server."""
    connections = [await Connection.open(url) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def request(method: str, path: str, content: bytes = b"", **headers: str) -> bytes:
    """A request as it goes over the wire; JSON unless its `content_type` says otherwise."""
    fields = {"host": "127.0.0.1", "content-length": str(len(content))}
    if content:
        fields["content-type"] = "application/json"
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + content


@dataclass(slots=True)
class Rate:
    """What a server answered in `seconds`."""

    answers: int
    body_bytes: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.body_bytes / 1e6 / self.seconds


async def hammer(url: str, raw: Callable[[int], bytes], *, connections: int, requests: int) -> Rate:
    """Send the requests `raw(0)`, `raw(1)` ... on kept-alive connections, each as soon as the one before is answered.

    Raises RuntimeError for any status but a 2xx.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    loop, work = asyncio.get_running_loop(), _Work(raw, requests)
    transports = [(await loop.create_connection(lambda: _Asking(work), host, int(port)))[0] for _ in range(connections)]
    begun = time.perf_counter()
    for transport in transports:
        transport.get_protocol().begin()  # type: ignore[attr-defined]
    try:
        await work.done
        return Rate(work.answers, work.body_bytes, time.perf_counter() - begun)
    finally:
        for transport in transports:
            transport.close()


class _Work:
    """What all connections have to do together."""

    def __init__(self, raw: Callable[[int], bytes], requests: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers = self.body_bytes = self._taken = 0
        self._raw = raw
        self._requests = requests

    def take(self) -> bytes | None:
        """The next request, or None when all have been taken."""
        if self._taken == self._requests:
            return None
        self._taken += 1
        return self._raw(self._taken - 1)

    def answered(self, length: int) -> None:
        self.answers += 1
        self.body_bytes += length
        if self.answers == self._requests and not self.done.done():
            self.done.set_result(None)

    def failed(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))


class _Asking(asyncio.Protocol):
    """Reads heads, and only counts the bytes of bodies."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._head = b""
        self._length = self._left = 0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._work.failed(f"the connection was lost before an answer: {exc}")

    def begin(self) -> None:
        raw = self._work.take()
        self._waiting = raw is not None
        if raw is not None:
            self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._take_body(len(data))
            return
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self._work.failed(self._head[:2000].decode(errors="replace"))
            return
        self._head, self._length = b"", _length(head)
        self._left = self._length
        self._take_body(len(body))

    def _take_body(self, size: int) -> None:
        self._left -= size
        if self._left == 0:
            self._work.answered(self._length)
            self.begin()


def _length(head: bytes) -> int:
    name = b"content-length:"
    at = head.lower().index(name) + len(name)
    return int(head[at:].split(b"\r\n", 1)[0])
