"""The way to Gemini that everybody shares who calls it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nano_banana_lab.adapters.gemini.call import seconds_left, within
from nano_banana_lab.adapters.gemini.retries import persistently

if TYPE_CHECKING:
    from nano_banana_lab.adapters.gemini.client import GeminiClient

_log = logging.getLogger(__name__)

T = TypeVar("T")


class GeminiConnection:
    """One client and its pool of connections, opened when first needed, and again when needed after it was closed.

    Any number of models may share it; it knows no key.
    """

    def __init__(self, *, base_url: str | None = None, api_version: str = "v1beta") -> None:
        self._base_url = base_url
        self._api_version = api_version
        self._opening = asyncio.Lock()
        # The SDK spends milliseconds on writing a request. Many at once go through here one by one,
        # so that the event loop gets a turn between any two.
        self._turnstile = asyncio.Lock()
        self._client: GeminiClient | None = None

    async def open(self) -> "GeminiClient":
        """The client; those who come first together wait for the same one."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_new_client, self._base_url, self._api_version)
            return self._client

    async def ask(
        self, ask: Callable[["GeminiClient", float], Awaitable[T]], *, seconds: float, retry_delays: Sequence[float]
    ) -> T:
        """The first success of `ask`, which is told how many seconds are left.

        Repeated only after failures that cannot have been charged; `UpstreamTimeout` once `seconds` have passed,
        retries included.
        """
        async with within(seconds) as deadline:
            return await persistently(partial(self._attempt, ask, deadline), retry_delays)

    async def warm_up(self) -> None:
        """Open it ahead of the first request. Never fails."""
        try:
            await self.open()
        except Exception:  # noqa: BLE001 - the first request will say what is wrong to somebody who can act on it
            _log.warning("Could not prepare the Gemini client ahead of the first request.", exc_info=True)

    async def aclose(self) -> None:
        """Close every connection to the service, whoever uses it; fine when there is none."""
        async with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _attempt(self, ask: Callable[["GeminiClient", float], Awaitable[T]], deadline: asyncio.Timeout) -> T:
        client = await self.open()
        async with self._turnstile:
            await asyncio.sleep(0)
        return await ask(client, seconds_left(deadline))


def _new_client(base_url: str | None, api_version: str) -> "GeminiClient":
    from nano_banana_lab.adapters.gemini.client import GeminiClient  # noqa: PLC0415 - takes a second

    return GeminiClient(base_url=base_url, api_version=api_version)
