"""HTTP as uvicorn speaks it, with an end to what a client may send and not send beside its bodies."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 512 * 1024
"""Request line and headers together, or what stands around and behind a body in chunks.

Generous: what is received at once and ends a head may carry up to 256 KiB of its body.
"""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Hangs up on a request whose head or trailer does not end; httptools itself would keep all of it in memory.

    And on a request that does not go on: a head must have been sent `patience_seconds` after it was begun,
    and of a body that is being read something must arrive within each such time.
    A connection on which none was begun stays open as long as an idle one.
    """

    patience_seconds = 60.0

    _bytes = 0
    """Received since a head, or a piece of a body, was understood."""
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait_for_more(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MAX_HEAD_BYTES:
            self.transport.abort()
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._wait_for_more()
        super().on_message_begin()

    def on_headers_complete(self) -> Any:
        self._bytes = 0
        return super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes = 0
        self._wait_for_more()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._wait_no_longer()
        super().on_message_complete()

    def _wait_for_more(self, seconds: float | None = None) -> None:
        self._wait_no_longer()
        self._alarm = self.loop.call_later(self.patience_seconds if seconds is None else seconds, self._hang_up)

    def _wait_no_longer(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _hang_up(self) -> None:
        if self.flow.read_paused:  # it is us who do not read
            self._wait_for_more()
        else:
            self.transport.abort()
