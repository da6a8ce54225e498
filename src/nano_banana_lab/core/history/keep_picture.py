"""Keep a picture: its sidecar, its bytes, its line in the history."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nano_banana_lab.core.history.bookkeeping import entering
from nano_banana_lab.core.history.keys import sidecar_key
from nano_banana_lab.core.history.picture import Picture, encode_picture
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, KeyValueStore, StoreUnavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeepPicture:
    """Saves a picture, and insists on it when it has been paid for and a store fails for a moment.

    The sidecar goes first, then the bytes, then one commit, so that no picture is ever stored without its record:
    whatever dies in between, `Reindex` enters every picture whose bytes were saved.
    """

    blobs: BlobStore
    key_values: KeyValueStore
    unlisted: dict[str, Picture] = field(default_factory=dict, init=False)
    """Pictures that are saved and that the key-value store was away too long to list, by their key."""
    unstored: dict[str, Picture] = field(default_factory=dict, init=False)
    """Pictures that the blob store was away too long to save, by their key; their sidecars may be there."""

    async def __call__(
        self, picture: Picture, data: bytes, *, along_with: Sequence[Operation] = (), insisting: bool = True
    ) -> None:
        """Save the picture, committing `along_with` in the same step as its line in the history.

        `along_with` MUST hold a condition that refuses it when it is tried a second time.
        Raises `StoreUnavailable` when a store stays down, at once unless `insisting`,
        and `CommitRefused` when a condition of `along_with` fails; then the files are there, and `enter` lists them without it.
        """
        try:
            await _written(lambda: self._store(picture, data), insisting=insisting)
        except StoreUnavailable:
            logger.error("a picture could not be stored", extra={"key": picture.key})  # noqa: TRY400
            self.unstored[picture.key] = picture
            raise
        await self.enter(picture, along_with=along_with, insisting=insisting)

    async def enter(self, picture: Picture, *, along_with: Sequence[Operation] = (), insisting: bool = True) -> None:
        """List a picture whose files are saved. Raises what the call itself raises."""
        try:
            await _written(lambda: self._enter(picture, along_with), insisting=insisting)
        except StoreUnavailable:
            logger.error("a picture is stored and not yet listed", extra={"key": picture.key})  # noqa: TRY400
            self.unlisted[picture.key] = picture
            raise

    async def forget_the_unstored(self) -> int:
        """Remove the sidecars of what could not be stored before; what was, without a store saying so, is to be listed.

        Says how many pictures that were. Raises `StoreUnavailable` while the store is still away.
        """
        forgotten = 0
        for key, picture in list(self.unstored.items()):
            if await self._is_stored(key):
                self.unlisted[key] = picture
            else:
                await self.blobs.delete(sidecar_key(key))
                forgotten += 1
            del self.unstored[key]
        return forgotten

    async def list_the_unlisted(self) -> int:
        """Enter what could not be listed before, without what should have been committed along with it.

        Says how many pictures that were. Raises `StoreUnavailable` while the store is still away.
        """
        listed = 0
        for key, picture in list(self.unlisted.items()):
            if await self._is_stored(sidecar_key(key)):  # else it was entered by a reindex and deleted since
                await self._enter(picture, ())
                listed += 1
            del self.unlisted[key]
        return listed

    async def _store(self, picture: Picture, data: bytes) -> None:
        await self.blobs.put(sidecar_key(picture.key), encode_picture(picture), content_type="application/json")
        await self.blobs.put(picture.key, data, content_type=picture.mime_type)

    async def _is_stored(self, key: str) -> bool:
        try:
            await self.blobs.head(key)
        except BlobNotFound:
            return False
        return True

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


async def _written(write: Callable[[], Awaitable[None]], *, insisting: bool) -> None:
    await (insist(write) if insisting else write())
