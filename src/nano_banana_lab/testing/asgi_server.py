"""An ASGI application behind a real socket, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

_PATIENCE = 30.0


class AsgiServer:
    """A running application. Its methods may be called from any thread; `url` has no slash at its end."""

    def __init__(self, url: str, server: "uvicorn.Server", loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._server = server
        self._loop = loop

    @property
    def open_connections(self) -> int:
        """How many clients' sockets are connected now, idle ones included."""
        return len(self._server.server_state.connections)

    def do(self, act: Callable[[], None]) -> None:
        """Run `act` in the application's own thread, between two turns of its event loop, and wait for it."""

        async def acting() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acting(), self._loop).result(_PATIENCE)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Return once `happened` is true; for what a test cannot be told of, such as a hang-up."""
        async with asyncio.timeout(_PATIENCE):
            while not happened():  # noqa: ASYNC110 - it happens in another thread's loop
                await asyncio.sleep(0.005)


@contextmanager
def serving(app: Any, *, name: str) -> Iterator[AsgiServer]:
    """The application on a free port of this machine for as long as the block runs; `name` is its thread's."""
    server = server_of(app)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, _running(server, listener, name) as loop:
        yield AsgiServer(f"http://127.0.0.1:{listener.getsockname()[1]}", server, loop)


def server_of(app: Any) -> "uvicorn.Server":
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
def _running(server: "uvicorn.Server", listener: socket.socket, name: str) -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop, server, listener), name=name, daemon=True)
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
