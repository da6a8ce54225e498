"""What stands between a lab and its stores, and misbehaves on request."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nano_banana_lab.testing.child_process import free_port

SLOWNESS_SECONDS = 1.0
"""How much later a slow S3 answers; one that needs more than 4.5 seconds counts as hanging."""

_PATIENCE = 60.0
_CHUNK = 2**16
_LONGEST_HEAD = 2**17
_WE_FAILED = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
_ANSWER_500 = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_WE_FAILED), _WE_FAILED)
)


@dataclass
class Stop:
    """A place at which traffic waits: `reached` once something stands there, `open` once it may go on."""

    method: str
    ending: str
    answered: bool
    reached: threading.Event = field(default_factory=threading.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


class _Request(NamedTuple):
    method: str
    path: str
    head: bytes
    length: int
    asks_first: bool


class _Proxy:
    """Listens on a port of this machine; its methods may be called from any thread but its loop's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self.port = free_port()
        self._loop = loop
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    def listen(self) -> None:
        """Accept connections, again after `refuse`."""
        self._do(self._listen())

    def refuse(self) -> None:
        """Close the port and every connection."""
        self._do(self._refuse())

    def _do(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(_PATIENCE)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_LONGEST_HEAD)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer, task in list(self._open.items()):
            writer.transport.abort()
            if task is not None:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()  # nothing else holds on to a task that waits at a stop
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            del self._open[writer]
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class S3Proxy(_Proxy):
    """In front of an S3 service; forwards one request after the other, each on a connection of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        super().__init__(loop, target)
        self.url = f"http://127.0.0.1:{self.port}"
        self._stop: Stop | None = None
        self._behaviour: Callable[[], Awaitable[bool]] = self._forward
        self._woken = asyncio.Event()

    def hang(self) -> None:
        """Take requests and answer none before the next change."""
        self._do(self._behave(self._wait))

    def fail(self) -> None:
        """Answer every request with status 500."""
        self._do(self._behave(self._decline))

    def slow_down(self) -> None:
        """Answer every request late."""
        self._do(self._behave(self._dawdle))

    def get_well(self) -> None:
        self.listen()
        self._do(self._behave(self._forward))

    def stop_at(self, method: str, ending: str, *, answered: bool) -> Stop:
        """Let the next such request wait before S3 gets it, or before its client gets the answer; no later one does."""
        self._stop = Stop(method, ending, answered)
        return self._stop

    def go_on(self, stop: Stop) -> None:
        """Let what waits there go on."""
        self._loop.call_soon_threadsafe(stop.open.set)

    async def _behave(self, behaviour: Callable[[], Awaitable[bool]]) -> None:
        self._behaviour = behaviour
        self._woken.set()
        self._woken = asyncio.Event()

    async def _forward(self) -> bool:
        return True

    async def _decline(self) -> bool:
        return False

    async def _dawdle(self) -> bool:
        await asyncio.sleep(SLOWNESS_SECONDS)
        return True

    async def _wait(self) -> bool:
        await self._woken.wait()
        return await self._behaviour()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = _read(await reader.readuntil(b"\r\n\r\n"))
        await self._halt(request, answered=False)
        if not await self._behaviour():
            writer.write(_ANSWER_500)
            await writer.drain()
            return
        if request.asks_first:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        answer = await self._asked(request, await reader.readexactly(request.length))
        await self._halt(request, answered=True)
        writer.write(answer)
        await writer.drain()

    async def _asked(self, request: _Request, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            writer.write(request.head + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    async def _halt(self, request: _Request, *, answered: bool) -> None:
        stop = self._stop
        wanted = (request.method, answered) == (stop.method, stop.answered) if stop else False
        if stop and wanted and request.path.endswith(stop.ending):
            self._stop = None
            stop.reached.set()
            await stop.open.wait()


class ReplyProxy(_Proxy):
    """In front of Redis; passes bytes on, and on request keeps what Redis says to itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        super().__init__(loop, target)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._mute = False

    def mute(self) -> None:
        """From now on commands arrive and no reply does."""
        self._mute = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._pass(reader, ours), self._pass(theirs, writer, muted=lambda: self._mute))
        finally:
            ours.close()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        muted: Callable[[], bool] = lambda: False,
    ) -> None:
        while data := await source.read(_CHUNK):
            if not muted():
                sink.write(data)
                await sink.drain()
        sink.close()


@contextmanager
def proxy_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, for any number of proxies."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_end_everything(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


async def _end_everything() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _read(head: bytes) -> _Request:
    """A request's head, and what to send on instead of it: S3 shall close the connection after its answer."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = [line.partition(":")[::2] for line in lines]
    values = {name.lower(): value.strip() for name, value in fields}
    kept = [line for line in lines if line.partition(":")[0].lower() not in ("connection", "expect")]
    return _Request(
        method=method,
        path=target.partition("?")[0],
        head="\r\n".join([first, *kept, "Connection: close", "", ""]).encode("latin-1"),
        length=int(values.get("content-length", "0")),
        asks_first=values.get("expect", "").lower() == "100-continue",
    )
