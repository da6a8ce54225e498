"""Knows whether the two stores can be used right now, without asking them on every request."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore, StoreUnavailable

PROBE_TIMEOUT_SECONDS = 4.0
"""A store that hangs longer than this counts as down; a health answer is due within 5 seconds."""

REMEMBER_SECONDS = 2.0
"""How old an answer may be."""


class NoAnswer(LabError):
    """Whoever was asked how they are has not said so in time. Details: `seconds`."""

    code = "service_unavailable"
    sentence = "no answer within {seconds} seconds"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What asking one store found. `latency_ms` is how long the answer took; `error` is None when all is well."""

    latency_ms: float
    error: LabError | None = None


class StoreWatch:
    """Probes both stores at once and remembers the answer for a moment.

    However many ask at the same time, each store is asked once.
    """

    def __init__(self, key_values: KeyValueStore, blobs: BlobStore) -> None:
        self._pings: dict[str, Callable[[], Awaitable[None]]] = {
            "key_value_store": key_values.ping,
            "blob_store": blobs.ping,
        }
        self._probing = asyncio.Lock()
        self._probes: dict[str, Probe] = {}
        self._probed_at = float("-inf")

    async def probes(self) -> dict[str, Probe]:
        """The state of `key_value_store` and `blob_store`; never fails and answers within about 4 seconds."""
        async with self._probing:
            if time.monotonic() - self._probed_at > REMEMBER_SECONDS:
                results = await asyncio.gather(*(_probe(ping) for ping in self._pings.values()))
                self._probes = dict(zip(self._pings, results, strict=True))
                self._probed_at = time.monotonic()
        return self._probes

    async def require(self) -> None:
        """Raise `StoreUnavailable` when a store is down, so that nothing is paid for that could not be kept."""
        for name, probe in (await self.probes()).items():
            if probe.error is not None:
                raise StoreUnavailable(name.replace("_", " "))


async def _probe(ping: Callable[[], Awaitable[None]]) -> Probe:
    started = time.perf_counter()
    error: LabError | None = None
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await ping()
    except StoreUnavailable as unavailable:
        error = unavailable
    except TimeoutError:
        error = NoAnswer(seconds=f"{PROBE_TIMEOUT_SECONDS:g}")
    return Probe(latency_ms=round((time.perf_counter() - started) * 1000, 2), error=error)
