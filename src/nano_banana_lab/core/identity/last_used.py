"""When an access token was last used: to the minute, and in nobody's way."""

import asyncio
import logging
from datetime import datetime

import msgspec

from nano_banana_lab.core.identity.access_token import AccessToken
from nano_banana_lab.core.identity.keys import access_token_key
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.operations import CommitRefused, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

logger = logging.getLogger(__name__)

NOTED_EVERY_SECONDS = 60


class LastUsed:
    """Notes that tokens are used, each at most once a minute, whatever number of processes see it used.

    A note replaces exactly the record that was read, so it neither brings a revoked token back nor outlives one.
    """

    def __init__(self, key_values: KeyValueStore, clock: Clock) -> None:
        self._key_values = key_values
        self._clock = clock
        self._noting: dict[str, asyncio.Task[None]] = {}

    def note(self, token: AccessToken, kept: bytes) -> None:
        """Begin to note that it is used now, if that is due, and do not wait; `kept` is its record as it was read."""
        now = self._clock.now()
        before = token.last_used_at
        if (before is not None and (now - before).total_seconds() < NOTED_EVERY_SECONDS) or token.id in self._noting:
            return
        task = asyncio.create_task(self._noted(token, kept, now))
        self._noting[token.id] = task
        task.add_done_callback(lambda _: self._noting.pop(token.id))

    async def finish(self) -> None:
        """Wait for what was begun; as long as a store may take for an answer, at most."""
        await asyncio.gather(*self._noting.values())

    async def _noted(self, token: AccessToken, kept: bytes, now: datetime) -> None:
        """Never fails: nobody would hear of it."""
        used = msgspec.structs.replace(token, last_used_at=from_milliseconds(milliseconds(now)))
        note = Put(
            key=access_token_key(token.id),
            value=msgspec.json.encode(used),
            if_equals=kept,
            ttl=token.seconds_left(now),
        )
        try:
            await self._key_values.commit(note)
        except CommitRefused:  # revoked meanwhile, or another process was quicker
            return
        except (LabError, ValueError):  # a time to live of less than a millisecond
            logger.warning("could not note when an access token was used", extra={"token_id": token.id})
