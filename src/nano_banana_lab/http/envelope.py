"""What is true of every response, also of those that no route answered: headers, a line in the log, metrics."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

from dishka import AsyncContainer
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from nano_banana_lab.http.metrics import RequestMetrics
from nano_banana_lab.http.request_id import request_id_of

REQUEST_ID_HEADER = b"x-request-id"
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]

HEADERS_OF_EVERY_ANSWER = "nano_banana_lab.headers"
"""Under this name in the scope's state, middleware leaves headers for whatever the answer will be.

A middleware that wraps `send` does not see what is raised between it and the next one: that is answered further out.
"""

METHOD_AS_SENT = "nano_banana_lab.method"
"""Under this name in the scope's state stands the method of the request as it came: HEAD is answered as GET."""

logger = logging.getLogger(__name__)

QUIET = ("/api/health", "/metrics")
"""Asked every few seconds by machines; logged only when something is wrong."""


class Envelope:
    """Wraps the whole application. Litestar's own middleware never sees 404 and 405, so this stands outside.

    It also hands the container on: everything in it lives as long as the application,
    so no request needs a container of its own. `answered` is set from the first answer on.
    """

    def __init__(self, app: ASGIApp, container: AsyncContainer, answered: asyncio.Event) -> None:
        self._app = app
        self._container = container
        self._answered = answered
        self._metrics = container.get_sync(RequestMetrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method == HttpMethod.HEAD:
            # As GET; the server, which has the request as it came, sends the headers alone (RFC 9110 section 9.3.2).
            scope = {**scope, "method": HttpMethod.GET}
        started, status = time.perf_counter(), 500
        state: dict[str, Any] = scope.setdefault("state", {})
        state["dishka_container"] = self._container
        state[METHOD_AS_SENT] = method
        request_id = request_id_of(scope)
        self._metrics.in_progress += 1

        async def send_in_envelope(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id, state.get(HEADERS_OF_EVERY_ANSWER, ()))
            await send(message)

        try:
            await self._app(scope, receive, send_in_envelope)
        finally:
            self._metrics.in_progress -= 1
            self._answered.set()
            self._report(scope, method, status, time.perf_counter() - started)

    def _report(self, scope: Any, method: str, status: int, seconds: float) -> None:
        route = scope.get("path_template") or "unmatched"
        self._metrics.count(method, route, status, seconds)
        if status >= 500 or not scope["path"].startswith(QUIET):
            logger.info(
                "request",
                extra={
                    "method": method,
                    "path": scope["path"],
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "request_id": request_id_of(scope),
                },
            )


def _add_headers(message: Any, request_id: str, more: Iterable[tuple[bytes, bytes]]) -> None:
    """In raw form: this runs for every response, and the probes of a busy host are many."""
    headers = message["headers"] = list(message["headers"])
    names = {name for name, _ in headers}
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    if b"content-language" in names:
        headers[:] = _also_varying_by(b"Accept-Language", headers)
    headers.append((REQUEST_ID_HEADER, request_id.encode("ascii")))
    headers += SECURITY_HEADERS
    headers += more


def _also_varying_by(field: bytes, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Said out here, because the framework's rules of origin overwrite whatever `Vary` a route has set."""
    vary = [value for name, value in headers if name == b"vary"]
    return [header for header in headers if header[0] != b"vary"] + [(b"vary", b", ".join([*vary, field]))]
