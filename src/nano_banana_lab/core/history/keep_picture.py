"""Keep a picture: its sidecar, its bytes, its line in the history."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nano_banana_lab.core.history.bookkeeping import entering
from nano_banana_lab.core.history.keys import sidecar_key
from nano_banana_lab.core.history.picture import Picture, encode_picture
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore, StoreUnavailable

T = TypeVar("T")

RETRY_AFTER_SECONDS = (0.2, 1.0)


@dataclass(frozen=True, kw_only=True)
class KeepPicture:
    """Saves what has already been paid for, so it tries again when a store fails for a moment.

    The sidecar goes first, then the bytes, then one commit, so that no picture is ever stored without its record:
    whatever dies in between, `Reindex` enters every picture whose bytes were saved.
    """

    blobs: BlobStore
    key_values: KeyValueStore

    async def __call__(self, picture: Picture, data: bytes, *, along_with: Sequence[Operation] = ()) -> None:
        """Save the picture, committing `along_with` in the same step as its line in the history.

        `along_with` MUST hold a condition that refuses it when it is tried a second time.
        Raises `StoreUnavailable` when a store stays down, and `CommitRefused` when a condition of `along_with` fails.
        """
        record, sidecar = encode_picture(picture), sidecar_key(picture.key)
        await self._insist(lambda: self.blobs.put(sidecar, record, content_type="application/json"))
        await self._insist(lambda: self.blobs.put(picture.key, data, content_type=picture.mime_type))
        await self._insist(lambda: self._enter(picture, along_with))

    async def _enter(self, picture: Picture, along_with: Sequence[Operation]) -> None:
        try:
            await self.key_values.commit(*entering(picture), *along_with)
        except CommitRefused as refused:
            if refused.position != 0 or refused.current != encode_picture(picture):
                raise
            # Our record is there already: an earlier try was applied and its answer lost, or a reindex came first.
            await self._settle_once(along_with)

    async def _settle_once(self, along_with: Sequence[Operation]) -> None:
        if along_with:
            with contextlib.suppress(CommitRefused):
                await self.key_values.commit(*along_with)

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        for delay in RETRY_AFTER_SECONDS:
            try:
                return await write()
            except StoreUnavailable:
                await asyncio.sleep(delay)
        return await write()
