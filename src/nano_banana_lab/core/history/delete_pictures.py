"""Delete pictures so that nothing of them is left."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from nano_banana_lab.core.history.bookkeeping import leaving
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.keys import TRASH, record_key, sidecar_key, thumbnail_key
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused, IndexRemove
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore, StoreUnavailable

logger = logging.getLogger(__name__)

AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class DeletePictures:
    """One commit takes the record out and puts the files in the trash; then they are removed.

    A commit that is refused leaves everything as it was. From the commit on nobody sees the picture,
    and what this process cannot remove `empty_trash` does later.
    """

    key_values: KeyValueStore
    blobs: BlobStore
    find: FindPictures
    clock: Clock

    async def __call__(self, owner: OwnerId, ids: Iterable[str]) -> int:
        """Delete those of the ids that the owner has and say how many they were; the others are passed over."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def delete(id: str) -> bool:
            async with limit:
                return await self._delete(owner, id)

        return sum(await asyncio.gather(*(delete(each) for each in dict.fromkeys(ids))))

    async def empty_trash(self) -> int:
        """Remove the files that an earlier deletion could not; says how many pictures they belonged to."""
        emptied = 0
        while (page := await self.key_values.page(TRASH, limit=100, newest_first=False)).entries:
            for entry in page.entries:
                await self._remove_files(entry.member)
            emptied += len(page.entries)
        return emptied

    async def _delete(self, owner: OwnerId, id: str) -> bool:
        try:
            picture = await self.find.one(owner, id)
            await self.key_values.commit(*leaving(picture, milliseconds(self.clock.now())))
        except (ImageNotFound, CommitRefused):
            return False
        await self._remove_files_now_or_later(picture)
        return True

    async def _remove_files_now_or_later(self, picture: Picture) -> None:
        try:
            await self._remove_files(picture.key)
            if await self.key_values.get(record_key(picture.owner, picture.id)) is not None:
                # A reindex read the sidecar before it was removed, and entered the picture again.
                await self.key_values.commit(*leaving(picture, milliseconds(self.clock.now())))
                await self.key_values.commit(IndexRemove(index=TRASH, member=picture.key))
        except CommitRefused:
            return
        except StoreUnavailable:
            logger.warning("the files of a deleted picture stay in the trash for now", extra={"key": picture.key})

    async def _remove_files(self, key: str) -> None:
        await self.blobs.delete(sidecar_key(key), key, thumbnail_key(key))
        await self.key_values.commit(IndexRemove(index=TRASH, member=key))
