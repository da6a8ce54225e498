"""Who calls whom, who pays, and for how long."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nano_banana_lab.core.generation.ports import InvalidApiKey, NoApiKey, UpstreamTimeout
from nano_banana_lab.core.shared.secrets import ApiKey

_SENDABLE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Which model is called, who pays, and how many seconds the service may take (the caller keeps its own clock)."""

    model: str
    successor: str | None
    key: ApiKey
    seconds: float


def usable(key: ApiKey | None) -> ApiKey:
    """The key as it can be sent, or the error that spares sending anything."""
    text = key.reveal().strip() if key else ""
    if not text:
        raise NoApiKey
    if not _SENDABLE.fullmatch(text):
        raise InvalidApiKey
    return ApiKey(text)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """A deadline; what takes longer ends with `UpstreamTimeout`."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield deadline
    except TimeoutError:
        raise UpstreamTimeout(timeout_seconds=int(seconds) if seconds == int(seconds) else seconds) from None


def seconds_left(deadline: asyncio.Timeout) -> float:
    ends = deadline.when()
    return max(0.0, ends - asyncio.get_running_loop().time()) if ends is not None else 0.0
