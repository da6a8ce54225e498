"""Something that only one may do at a time, in whatever process, and that a crash sets free by itself."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable

LEASE_SECONDS = 60.0
"""How long a lease outlives the process that held it."""

RENEW_AFTER_SECONDS = 20.0
"""How often a living process renews it: two renewals may fail before it runs out."""

RENEW_AGAIN_AFTER_SECONDS = 1.0
"""After a renewal that failed, before somebody else takes the lease for a dead process's."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A key that one attempt holds, for `seconds` at a time; no two attempts have the same `value`.

    Never touches what somebody else has put there. Only `take` raises: once the work has begun,
    a store that is away must not cost anybody its result.
    """

    key_values: KeyValueStore
    key: str
    value: bytes
    seconds: float = LEASE_SECONDS
    renew_after: float = RENEW_AFTER_SECONDS

    async def take(self) -> None:
        """Raises `CommitRefused` with what is there already, and `StoreUnavailable`."""
        await self.key_values.commit(Put(key=self.key, value=self.value, ttl=self.seconds, if_absent=True))

    @contextlib.asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Keep the lease alive meanwhile."""
        renewing = asyncio.create_task(self._keep_renewing())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def turn_into(self, value: bytes, ttl: float) -> None:
        """Leave `value` under the key for `ttl` seconds. Takes about 15 seconds to give up, so the lease must be kept alive."""
        try:
            why = None if await insist(lambda: self._put(value, ttl)) else "another request took its key"
        except StoreUnavailable:
            why = "the store is away"
        if why is not None:
            logger.warning("what a lease should have turned into was not kept", extra={"key": self.key, "why": why})

    async def free(self) -> None:
        """Let the next one have the key; when the store is away, it has it once the lease runs out."""
        with contextlib.suppress(CommitRefused, StoreUnavailable):
            await self.key_values.commit(Delete(key=self.key, if_equals=self.value))

    async def _keep_renewing(self) -> None:
        pause = self.renew_after
        while True:
            await asyncio.sleep(pause)
            try:
                await self._put(self.value, self.seconds)
                pause = self.renew_after
            except StoreUnavailable:
                pause = min(self.renew_after, RENEW_AGAIN_AFTER_SECONDS)

    async def _put(self, value: bytes, ttl: float) -> bool:
        """Replace the lease, or take the place of one that ran out while nobody wanted it.

        False when somebody else has the key. Raises `StoreUnavailable`, and may have put the value all the same.
        """
        found: bytes | None = self.value
        while found is None or found == self.value:
            try:
                await self.key_values.commit(
                    Put(key=self.key, value=value, ttl=ttl, if_absent=found is None, if_equals=found)
                )
            except CommitRefused as refused:
                found = cast("bytes | None", refused.current)  # a put finds no counter
            else:
                return True
        return found == value  # put by an earlier try whose answer was lost
