"""Run the service under uvicorn, and stop it without losing a picture."""

import asyncio
import logging
import signal
import socket
from types import FrameType

import uvicorn

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.http.cursor import Cursors
from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.logs import configure_logs
from nano_banana_lab.main.protocol import BoundedHeadProtocol
from nano_banana_lab.main.settings import Settings

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than clients and load balancers (nginx and AWS: 60) use it again.

The other way round, now and then a request meets a connection that is just being closed, and is lost.
"""

CLOSE_CONNECTIONS_SECONDS = 5
"""How long answers that are being sent may take once nothing is being generated any more."""


class DrainingServer(uvicorn.Server):
    """Finishes what is being paid for before it closes its doors.

    The first SIGTERM or SIGINT makes readiness 503 and refuses new generations while the port stays open,
    so that load balancers notice; when the running ones have ended, or their grace has, uvicorn shuts down.
    A second signal does not wait.
    """

    def __init__(self, config: uvicorn.Config, paid_calls: PaidCalls, grace_seconds: float) -> None:
        super().__init__(config)
        self._paid_calls = paid_calls
        self._grace_seconds = grace_seconds
        self._drain: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two steps of the event loop."""
        if not self.started:
            super().handle_exit(sig, frame)
        elif self.should_exit:
            self.force_exit = True
        else:
            grace_seconds = 0 if self._paid_calls.closed else self._grace_seconds
            self._paid_calls.close()
            self._loop.call_soon_threadsafe(self._begin_to_drain, sig, grace_seconds)

    def _begin_to_drain(self, sig: int, grace_seconds: float) -> None:
        logger.info(
            "shutting down",
            extra={
                "signal": signal.Signals(sig).name,
                "generations": self._paid_calls.running,
                "grace_seconds": grace_seconds,
            },
        )
        if self._drain is not None:
            self._drain.cancel()
        self._drain = asyncio.create_task(self._finish(grace_seconds))

    async def _finish(self, grace_seconds: float) -> None:
        cancelled = await self._paid_calls.finish(grace_seconds)
        if cancelled:
            logger.warning("generations cut off by the end of the grace time", extra={"generations": cancelled})
        self.should_exit = True


def serve(settings: Settings) -> None:
    """Serve until a signal says otherwise. Raises `NoSecretKey` when there is none to sign with."""
    configure_logs(settings)
    app = create_app(settings)
    app.state.dishka_container.get_sync(Cursors)  # without a key to sign with there is no start
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",
        http=BoundedHeadProtocol,
        ws="none",  # nothing here speaks WebSocket, and the library would log every header while debugging
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSE_CONNECTIONS_SECONDS,
    )
    paid_calls = app.state.dishka_container.get_sync(PaidCalls)
    DrainingServer(config, paid_calls, settings.shutdown_grace_seconds).run()
