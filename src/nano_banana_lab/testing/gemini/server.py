"""The double behind a real socket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nano_banana_lab.testing.asgi_server import AsgiServer, serving
from nano_banana_lab.testing.gemini.requests import RecordedRequest

if TYPE_CHECKING:
    from nano_banana_lab.testing.gemini.app import GeminiApp


class GeminiDouble:
    """A running double. Its methods may be called from any thread.

    `url` is what a client takes for Google's address; `requests` are in the order in which they arrived.
    """

    def __init__(self, app: "GeminiApp", server: AsgiServer) -> None:
        self.url = server.url
        self._app = app
        self._server = server

    @property
    def requests(self) -> list[RecordedRequest]:
        return list(self._app.requests)

    @property
    def open_connections(self) -> int:
        """How many clients' sockets are connected now, idle ones included."""
        return self._server.open_connections

    def script(self, markers: str) -> None:
        """Let `markers` apply to every prompt from now on."""
        self._server.do(lambda: setattr(self._app.scenarios, "script", markers))

    def release(self, name: str) -> None:
        """Let the calls go that `[[hold NAME]]` keeps waiting, now and later."""
        self._server.do(lambda: self._app.release(name))

    def clear(self) -> None:
        """Forget requests, counts, script and releases."""
        self._server.do(self._app.clear)

    async def until(self, happened: Callable[[list[RecordedRequest]], bool]) -> None:
        """Return once `happened` is true of the requests; for what a test cannot be told of, such as a hang-up."""
        await self._server.until(lambda: happened(self.requests))


@contextmanager
def running_gemini(latency: float = 0.0) -> Iterator[GeminiDouble]:
    """A double on a free port of this machine for as long as the block runs; each generation takes `latency` seconds."""
    from nano_banana_lab.testing.gemini.app import GeminiApp  # noqa: PLC0415 - only where it runs

    app = GeminiApp(latency=latency)
    with serving(app, name="gemini-double") as server:
        yield GeminiDouble(app, server)
