"""HTTP as uvicorn speaks it, with an end to how much a request may say before its body."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 512 * 1024
"""Request line and headers together. Generous: a chunk that ends a head may carry up to 256 KiB of its body."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Hangs up on a request whose head does not end; httptools itself would keep all of it in memory."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()
            return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> Any:
        self._in_head, self._head_bytes = False, 0
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()
