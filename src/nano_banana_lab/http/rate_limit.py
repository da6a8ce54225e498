"""How often one caller may ask: so many requests in each window of time, however many processes answer them."""

import ipaddress
import math
from typing import Any

import msgspec

from nano_banana_lab.core.identity.sessions import CLOCK_SKEW_SECONDS
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.core.storage.operations import Add, CommitRefused
from nano_banana_lab.core.storage.ports import KeyValueStore

UNLIMITED: dict[str, Any] = {"unlimited": True}
"""The `opt` of a route that is not counted: pages show pictures by the dozen, and probes must never be refused."""

IPV6_PREFIX = 64
"""One customer gets at least this much of an IPv6 address to choose the rest of at will (RFC 6177)."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a caller stands: of `limit` requests a window, `remaining` are left until it ends. Times are in seconds."""

    limit: int
    remaining: int
    resets_in: int
    window_seconds: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers-06 names them; later drafts are read by hardly any client."""
        policy = f"{self.limit};w={self.window_seconds}"
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.resets_in),
            (b"ratelimit-policy", policy.encode("ascii")),
        ]


class RateLimited(LabError):
    """The caller has used up the window. Details: `limit`, `window_seconds`, `retry_after` (seconds)."""

    code = "rate_limit_exceeded"
    sentence = "Too many requests; please try again in {retry_after} seconds."

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.retry_after = standing.resets_in
        super().__init__(limit=standing.limit, window_seconds=standing.window_seconds, retry_after=standing.resets_in)


class RateLimit:
    """Counts requests in windows that begin at multiples of their length since the Unix epoch, by the host's clock.

    Each request is one atomic commit, so that of any number at once, in any number of processes,
    exactly `requests` pass in a window. Refused ones do not count.
    """

    def __init__(self, key_values: KeyValueStore, clock: Clock, *, requests: int, window_seconds: int) -> None:
        self._key_values = key_values
        self._clock = clock
        self._requests = requests
        self._window_seconds = window_seconds

    async def count(self, who: str) -> Standing:
        """One more request of `who` (see `counted_as`). Raises `RateLimited`, `StoreUnavailable`."""
        now = self._clock.now().timestamp()
        begin = int(now // self._window_seconds) * self._window_seconds
        resets_in = max(1, math.ceil(begin + self._window_seconds - now))
        one_more = Add(
            key=f"rate/{begin}/{who}",
            field="requests",
            amount=1,
            ceiling=self._requests,
            ttl=resets_in + CLOCK_SKEW_SECONDS,  # a process whose clock is behind must still find it
        )
        try:
            (used,) = await self._key_values.commit(one_more)
        except CommitRefused:
            raise RateLimited(self._standing(0, resets_in)) from None
        return self._standing(self._requests - (used or 0), resets_in)

    def _standing(self, remaining: int, resets_in: int) -> Standing:
        return Standing(
            limit=self._requests, remaining=remaining, resets_in=resets_in, window_seconds=self._window_seconds
        )


def counted_as(owner: OwnerId | None, address: str | None) -> str:
    """The name under which a request counts: its owner's when a token named one, else that of where it came from."""
    if owner is not None and owner != ANONYMOUS:
        return f"owner/{owner}"
    return f"address/{_network_of(address)}"


def _network_of(address: str | None) -> str:
    """An IPv4 address, the /64 of an IPv6 address, or one name for all that come without an address (a Unix socket)."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:  # a proxy that is believed may have passed on anything
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), IPV6_PREFIX), strict=False))
