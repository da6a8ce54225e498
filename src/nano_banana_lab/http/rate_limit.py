"""How often one caller may ask: so many requests in each window of time, however many processes answer them."""

import ipaddress
import math
from typing import Any

import msgspec

from nano_banana_lab.core.identity.sessions import CLOCK_SKEW_SECONDS
from nano_banana_lab.core.identity.user import GUEST
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.errors import TooMuch
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.core.storage.operations import Add, CommitRefused
from nano_banana_lab.core.storage.ports import KeyValueStore

UNLIMITED: dict[str, Any] = {"unlimited": True}
"""The `opt` of a route that is not counted: pages show pictures by the dozen, and probes must never be refused."""

IPV6_PREFIX = 64
"""One customer gets at least this much of an IPv6 address to choose the rest of at will (RFC 6177)."""

GUESTS_OF_ONE_ADDRESS = 10
"""So many times what one caller may ask is allowed to all guests of one address together.

A guest's token costs nothing, so without this whoever collects tokens may ask as often as they like.
Fewer would do, but an address may be a school or an office, where several people look around at once.
"""


class Bucket(msgspec.Struct, frozen=True):
    """Whose requests count together under one name, and how many callers' worth of them may pass."""

    name: str
    callers: int = 1


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


class RateLimited(TooMuch):
    """The caller has used up the window. Details: `limit`, `window_seconds`, `retry_after` (seconds)."""

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

    async def count(self, *buckets: Bucket) -> Standing:
        """One more request, in all of these (see `buckets_of`) or in none; says where the tightest of them stands.

        Raises `RateLimited`, `StoreUnavailable`.
        """
        now = self._clock.now().timestamp()
        begin = int(now // self._window_seconds) * self._window_seconds
        resets_in = max(1, math.ceil(begin + self._window_seconds - now))
        try:
            counts = await self._key_values.commit(*[self._one_more(bucket, begin, resets_in) for bucket in buckets])
        except CommitRefused as refused:
            raise RateLimited(self._standing(buckets[refused.position], None, resets_in)) from None
        standings = [self._standing(bucket, used, resets_in) for bucket, used in zip(buckets, counts, strict=True)]
        return min(standings, key=lambda standing: standing.remaining)

    def _one_more(self, bucket: Bucket, begin: int, resets_in: int) -> Add:
        return Add(
            key=f"rate/{begin}/{bucket.name}",
            field="requests",
            amount=1,
            ceiling=self._limit(bucket),
            ttl=resets_in + CLOCK_SKEW_SECONDS,  # a process whose clock is behind must still find it
        )

    def _limit(self, bucket: Bucket) -> int:
        return self._requests * bucket.callers

    def _standing(self, bucket: Bucket, used: int | None, resets_in: int) -> Standing:
        limit = self._limit(bucket)
        remaining = 0 if used is None else limit - used
        return Standing(limit=limit, remaining=remaining, resets_in=resets_in, window_seconds=self._window_seconds)


def buckets_of(owner: OwnerId | None, address: str | None) -> tuple[Bucket, ...]:
    """What a request counts for: its owner when a token named one, else the network it came from; for guests both."""
    network = _network_of(address)
    if owner is None or owner == ANONYMOUS:
        return (Bucket(f"address/{network}"),)
    if owner.startswith(GUEST):
        return (Bucket(f"owner/{owner}"), Bucket(f"guests/{network}", GUESTS_OF_ONE_ADDRESS))
    return (Bucket(f"owner/{owner}"),)


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
