"""Small copies of pictures, made when somebody first looks."""

from dataclasses import dataclass

from nano_banana_lab.core.history.keys import record_key, thumbnail_key
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.history.ports import PictureTools
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, KeyValueStore, read_blob

THUMBNAIL_MIME_TYPE = "image/webp"
THUMBNAIL_LONGEST_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """Returns the stored small copy, or makes and stores it; the original is only ever read."""

    blobs: BlobStore
    key_values: KeyValueStore
    tools: PictureTools

    async def __call__(self, picture: Picture) -> bytes:
        """The picture as WebP, longest side 512 pixels. Raises `ImageNotFound` when its file is gone."""
        try:
            return await read_blob(self.blobs, thumbnail_key(picture.key))
        except BlobNotFound:
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
