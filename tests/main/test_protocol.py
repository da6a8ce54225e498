"""Clients that send without end, or stop sending, at the protocol that the service speaks."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from nano_banana_lab.main.protocol import MAX_HEAD_BYTES, BoundedHeadProtocol

GET = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: lab\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
FLOOD = b"a" * (2 * MAX_HEAD_BYTES)


class Impatient(BoundedHeadProtocol):
    patience_seconds = 0.05


class Fleeting(BoundedHeadProtocol):
    unused_seconds = 0


class Answering:
    """Reads the whole request, waits until it may answer, and says how long the body was."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        length, more = 0, True
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d bytes\n" % length})


@dataclass(frozen=True)
class Server:
    """An application behind one of these protocols."""

    app: Answering
    address: tuple[str, int]

    @asynccontextmanager
    async def connected(self, begun: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
        """What comes back on a connection on which this much was sent."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(begun)
        yield reader
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(params=[BoundedHeadProtocol], ids=["patient"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    app = Answering()
    config = uvicorn.Config(app, http=request.param, ws="none", lifespan="off", log_config=None)
    config.timeout_keep_alive = getattr(request.param, "unused_seconds", 600)
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = asyncio.create_task(running._serve(sockets=[listener]))  # leaves signals alone
        yield Server(app, listener.getsockname())
        running.should_exit = running.force_exit = True
        await ended


impatient = pytest.mark.parametrize("server", [Impatient], indirect=True, ids=["impatient"])


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Whether the server hangs up without a word."""
    try:
        async with asyncio.timeout(60):  # or one that never does would hold up all other tests
            return await reader.read() == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "endless",
    [GET[:-4] + b"\r\nX-Endless: ", b"GET /", CHUNKED + b"0\r\nX-Endless: ", CHUNKED + b"2;endless="],
    ids=["header", "path", "trailer", "chunk extension"],
)
async def test_what_does_not_end_is_cut_off(server: Server, endless: bytes) -> None:
    async with server.connected(endless + FLOOD) as reader:
        assert await is_cut(reader)


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: %d\r\n\r\n" % len(FLOOD) + FLOOD,
        POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(FLOOD), FLOOD),
    ],
    ids=["whole", "in chunks"],
)
async def test_a_body_may_be_longer_than_a_head(server: Server, request_: bytes) -> None:
    server.app.may_answer.set()
    async with server.connected(request_) as reader:
        answer = await reader.readuntil(b" bytes")

    assert answer.endswith(b"%d bytes" % len(FLOOD))


@impatient
@pytest.mark.parametrize(
    "begun",
    [GET[:1], GET[:20], POST + b"Content-Length: 9\r\n\r\n", POST + b"Content-Length: 9\r\n\r\nhalf", CHUNKED],
    ids=["a byte", "half a head", "a head without its body", "half a body", "no last chunk"],
)
async def test_who_stops_in_the_middle_of_a_request_is_cut_off(server: Server, begun: bytes) -> None:
    async with server.connected(begun) as reader:
        assert await is_cut(reader)


@impatient
async def test_who_stops_in_the_middle_of_a_second_request_gets_the_first_answer(server: Server) -> None:
    server.app.may_answer.set()
    async with server.connected(GET + GET[:9]) as reader:
        answer = await reader.readuntil(b"bytes\n\r\n0\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 200")
        assert await is_cut(reader)


@impatient
async def test_who_waits_for_an_answer_is_not_cut_off(server: Server) -> None:
    """However long it takes: meanwhile, somebody who came later has been."""
    async with server.connected(GET) as reader:
        await server.app.asked.wait()
        async with server.connected(GET[:9]) as silent:
            assert await is_cut(silent)
        server.app.may_answer.set()

        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


@impatient
async def test_an_unused_connection_is_kept_like_an_idle_one(server: Server) -> None:
    """However long ago it was made: meanwhile, somebody who came later and stopped has been cut off."""
    server.app.may_answer.set()
    reader, writer = await asyncio.open_connection(*server.address)
    async with server.connected(GET[:9]) as stopped:
        assert await is_cut(stopped)
    writer.write(GET)

    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("server", [Fleeting], indirect=True, ids=["fleeting"])
async def test_an_unused_connection_is_closed_like_an_idle_one(server: Server) -> None:
    async with server.connected() as unused:
        assert await is_cut(unused)
