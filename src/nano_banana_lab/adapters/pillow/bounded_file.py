"""Where turned copies are written: a few hundred kilobytes can ask for a copy of hundreds of megabytes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from nano_banana_lab.core.history.ports import InvalidImage

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class BoundedFile(BytesIO):
    """A file in memory of at most `most` bytes; what would pass them raises `InvalidImage` and is not written."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, content: ReadableBuffer, /) -> int:
        if self.tell() + memoryview(content).nbytes > self._most:
            raise InvalidImage(reason="too_many_bytes")
        return super().write(content)
