"""Small copies of pictures, made when somebody first looks."""

import asyncio
from dataclasses import dataclass, field

from nano_banana_lab.core.history.keys import record_key, thumbnail_key
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.history.ports import PictureTools
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, KeyValueStore, read_blob

THUMBNAIL_MIME_TYPE = "image/webp"
THUMBNAIL_LONGEST_SIDE = 512

AT_ONCE = 2
"""A 4K original is 20 MB, and twice that while it is being made small."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """Returns the stored small copy, or makes and stores it; the original is only ever read.

    However many ask for one picture at once, its copy is made once;
    and only a few originals are in memory at the same time.
    """

    blobs: BlobStore
    key_values: KeyValueStore
    tools: PictureTools
    _making: dict[str, asyncio.Task[bytes]] = field(default_factory=dict, init=False)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE), init=False)

    async def __call__(self, picture: Picture) -> bytes:
        """The picture as WebP, longest side 512 pixels. Raises `ImageNotFound` when its file is gone."""
        try:
            return await read_blob(self.blobs, thumbnail_key(picture.key))
        except BlobNotFound:
            return await asyncio.shield(self._being_made(picture))

    def _being_made(self, picture: Picture) -> asyncio.Task[bytes]:
        if picture.key not in self._making:
            task = self._making[picture.key] = asyncio.create_task(self._make_in_turn(picture))
            task.add_done_callback(lambda _: self._making.pop(picture.key))
        return self._making[picture.key]

    async def _make_in_turn(self, picture: Picture) -> bytes:
        async with self._places:
            return await self._make(picture)

    async def _make(self, picture: Picture) -> bytes:
        try:
            original = await read_blob(self.blobs, picture.key)
        except BlobNotFound as error:
            raise ImageNotFound from error
        small = await self.tools.thumbnail(original, longest_side=THUMBNAIL_LONGEST_SIDE)
        await self.blobs.put(thumbnail_key(picture.key), small, content_type=THUMBNAIL_MIME_TYPE)
        if await self.key_values.get(record_key(picture.owner, picture.id)) is None:
            # Deleted meanwhile, perhaps before this copy existed: whoever is last removes it.
            await self.blobs.delete(thumbnail_key(picture.key))
            raise ImageNotFound
        return small
