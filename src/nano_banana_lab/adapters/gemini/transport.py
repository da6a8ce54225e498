"""Pictures travel beside the SDK instead of through it.

The SDK keeps several copies of every body and works on them on the event loop: one 26 MB answer becomes bytes,
two strings and a parsed dict, one 20 MB input picture costs 100 ms in `json.dumps` alone.
So it is given a short marker for each picture it sends and an empty object for each answer it gets;
the pictures are put in, and the answer is taken out, where the request meets the network.
"""

import base64
import binascii
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2

CONNECT_SECONDS = 10.0
"""Longest wait for a connection; the rest of the deadline is for making the picture."""

NO_KEY = "every-request-brings-its-own"
"""What the SDK, which insists on a key, is built with. It never leaves this process."""

_SLICE = 3 * 64 * 1024  # a multiple of three bytes, so that no slice but the last is padded


class AnswerLostError(Exception):
    """The service began a successful answer and did not finish it; the picture has probably been charged."""


@dataclass(kw_only=True, slots=True)
class Cargo:
    """What one request carries past the SDK.

    `marker` stands in the SDK's request for each of the `pictures`, in order;
    it is random, so that no prompt can contain it. `answer` is the body of a 200.
    """

    pictures: Sequence[bytes] = ()
    marker: bytes = field(default_factory=lambda: secrets.token_bytes(24))
    answer: bytearray | None = None

    def unloaded(self) -> bytearray | None:
        """The answer, if there was one; the cargo is empty from then on.

        A kept-alive connection remembers the context it was opened in, and with it the cargo.
        """
        answer, self.answer = self.answer, None
        return answer


_current: ContextVar[Cargo | None] = ContextVar("cargo", default=None)


@contextlib.contextmanager
def carrying(cargo: Cargo) -> Iterator[None]:
    """Make `cargo` that of the requests this task sends meanwhile."""
    token = _current.set(cargo)
    try:
        yield
    finally:
        _current.reset(token)
        cargo.pictures = ()


class PictureTransport(httpx2.AsyncBaseTransport):
    """Loads and unloads the cargo of the task that sends a request; requests without one pass unchanged."""

    def __init__(self, network: httpx2.AsyncBaseTransport) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers.get("x-goog-api-key") == NO_KEY:
            raise RuntimeError("a request to Gemini without a key of its own")
        # How long the rest may take is the caller's deadline; a second clock here could only run out at the wrong time.
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        cargo = _current.get()
        if cargo is None:
            return await self._network.handle_async_request(request)
        _load(request, cargo)
        response = await self._network.handle_async_request(request)
        if response.status_code != httpx2.codes.OK:
            return response
        cargo.answer = await _unload(response)
        return httpx2.Response(httpx2.codes.OK, content=b"{}")

    async def aclose(self) -> None:
        await self._network.aclose()


def _load(request: httpx2.Request, cargo: Cargo) -> None:
    if not cargo.pictures:
        return
    pieces = request.content.split(base64.urlsafe_b64encode(cargo.marker))
    if len(pieces) != len(cargo.pictures) + 1:
        raise RuntimeError("google-genai did not encode each picture once; its wire format has changed")
    encoded = sum((len(picture) + 2) // 3 * 4 for picture in cargo.pictures)
    request.headers["content-length"] = str(sum(map(len, pieces)) + encoded)
    request.stream = _Loaded(pieces, cargo.pictures)


class _Loaded(httpx2.AsyncByteStream):
    """The SDK's request with the pictures in it, encoded piece by piece while it is being sent."""

    def __init__(self, pieces: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._pictures = pictures

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._pieces[0]
        for picture, piece in zip(self._pictures, self._pieces[1:], strict=True):
            for start in range(0, len(picture), _SLICE):
                yield binascii.b2a_base64(picture[start : start + _SLICE], newline=False)
            yield piece


async def _unload(response: httpx2.Response) -> bytearray:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
    except httpx2.HTTPError as error:
        raise AnswerLostError from error
    finally:
        await response.aclose()
    return body
