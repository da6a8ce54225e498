"""What is true of every response, also of those that no route answered: headers, a line in the log, metrics."""

import logging
import time
from typing import Any

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from nano_banana_lab.http.metrics import RequestMetrics
from nano_banana_lab.http.request_id import HEADER, request_id_of

logger = logging.getLogger(__name__)

QUIET = ("/api/health", "/metrics")
"""Asked every few seconds by machines; logged only when something is wrong."""


class Envelope:
    """Wraps the whole application. Litestar's own middleware never sees 404 and 405, so this stands outside."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        scope.setdefault("state", {})
        request_id = request_id_of(scope)

        async def send_in_envelope(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, receive, send_in_envelope)
        finally:
            self._report(scope, status, time.perf_counter() - started)

    def _report(self, scope: Any, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "unmatched"
        self._metrics.count(scope["method"], route, status, seconds)
        if status >= 500 or not scope["path"].startswith(QUIET):
            logger.info(
                "request",
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "request_id": request_id_of(scope),
                },
            )


def _add_headers(message: Message, request_id: str) -> None:
    headers = MutableScopeHeaders.from_message(message)
    headers[HEADER] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")
