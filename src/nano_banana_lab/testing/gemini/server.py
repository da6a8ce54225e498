"""The double behind a real socket, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nano_banana_lab.testing.gemini.requests import RecordedRequest

if TYPE_CHECKING:
    import uvicorn

    from nano_banana_lab.testing.gemini.app import GeminiApp

_PATIENCE = 30.0


class GeminiDouble:
    """A running double. Its methods may be called from any thread.

    `url` is what a client takes for Google's address; `requests` are in the order in which they arrived.
    """

    def __init__(self, url: str, app: "GeminiApp", server: "uvicorn.Server", loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._app = app
        self._server = server
        self._loop = loop

    @property
    def requests(self) -> list[RecordedRequest]:
        return list(self._app.requests)

    @property
    def open_connections(self) -> int:
        """How many clients' sockets are connected now, idle ones included."""
        return len(self._server.server_state.connections)

    def script(self, markers: str) -> None:
        """Let `markers` apply to every prompt from now on."""
        self._do(lambda: setattr(self._app.scenarios, "script", markers))

    def release(self, name: str) -> None:
        """Let the calls go that `[[hold NAME]]` keeps waiting, now and later."""
        self._do(lambda: self._app.release(name))

    def clear(self) -> None:
        """Forget requests, counts, script and releases."""
        self._do(self._app.clear)

    async def until(self, happened: Callable[[list[RecordedRequest]], bool]) -> None:
        """Return once `happened` is true of the requests; for what a test cannot be told of, such as a hang-up."""
        async with asyncio.timeout(_PATIENCE):
            while not happened(self.requests):  # noqa: ASYNC110 - it happens in another thread's loop
                await asyncio.sleep(0.005)

    def _do(self, act: Callable[[], None]) -> None:
        async def acting() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acting(), self._loop).result(_PATIENCE)


@contextmanager
def running_gemini(latency: float = 0.0) -> Iterator[GeminiDouble]:
    """A double on a free port of this machine for as long as the block runs; each generation takes `latency` seconds."""
    from nano_banana_lab.testing.gemini.app import GeminiApp  # noqa: PLC0415 - with its server, only where it runs

    app = GeminiApp(latency=latency)
    server = server_of(app)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, _serving(server, listener) as loop:
        yield GeminiDouble(f"http://127.0.0.1:{listener.getsockname()[1]}", app, server, loop)


def server_of(app: "GeminiApp") -> "uvicorn.Server":
    """A uvicorn server for a double, to be run on a socket of the caller's."""
    import uvicorn  # noqa: PLC0415 - only where it runs

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # nothing may stand between the application and uvicorn's own `send`
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


@contextmanager
def _serving(server: "uvicorn.Server", listener: socket.socket) -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop, server, listener), name="gemini-double", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(setattr, server, "should_exit", True)  # noqa: FBT003 - setattr takes no keywords
        thread.join(_PATIENCE)


def _run(loop: asyncio.AbstractEventLoop, server: "uvicorn.Server", listener: socket.socket) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
