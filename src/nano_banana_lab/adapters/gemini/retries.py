"""When a call is worth repeating, and after how long."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import tenacity

from nano_banana_lab.core.generation.ports import UpstreamFailed

RETRIED_STATUSES = frozenset({500, 502, 503, 504})

T = TypeVar("T")


async def persistently(attempt: Callable[[], Awaitable[T]], delays: Sequence[float]) -> T:
    """The first success of `attempt`, or its last error once `delays` (seconds) are used up.

    Each delay is stretched by up to a quarter at random, so that those who failed together do not return together.
    """
    kept: list[T] = []

    async def attempt_and_keep() -> None:
        kept.append(await attempt())

    attempts = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(len(delays) + 1),
        wait=_pauses(delays),
        retry=tenacity.retry_if_exception(may_pass),
        reraise=True,
    )
    # Past tenacity, not through it: it would hold on to a 26 MB result until the garbage collector finds the cycle.
    await attempts(attempt_and_keep)
    return kept.pop()


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed a little later and was not answered, hence not charged, this time."""
    return isinstance(error, UpstreamFailed) and (
        error.details.get("upstream_status") in RETRIED_STATUSES or error.details.get("reason") == "unreachable"
    )


def _pauses(delays: Sequence[float]) -> tenacity.wait.wait_base:
    stretched = [tenacity.wait_fixed(delay) + tenacity.wait_random(0, delay / 4) for delay in delays]
    return tenacity.wait_chain(*stretched) if stretched else tenacity.wait_none()
