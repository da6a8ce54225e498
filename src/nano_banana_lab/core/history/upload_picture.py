"""Keep a picture that its owner brings along, to be used again by its key."""

import asyncio
import hashlib
from dataclasses import dataclass

from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.keys import picture_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts, PictureTools
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.store_watch import StoreWatch

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
MAX_NAME_CHARACTERS = 200
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


@dataclass(frozen=True, kw_only=True)
class UploadPicture:
    """Stored byte for byte, listed among the owner's uploads, and no part of the statistics."""

    keep: KeepPicture
    tools: PictureTools
    stores: StoreWatch
    clock: Clock

    async def __call__(self, owner: OwnerId, data: bytes, *, name: str = "") -> Picture:
        """Keep the picture; `name` is what its file is called, for people, perhaps with the folders it was in.

        Raises `InvalidImage` for anything that is not a whole PNG, JPEG or WebP of up to 20 MiB, and `StoreUnavailable`.
        """
        if len(data) > MAX_UPLOAD_BYTES:
            raise InvalidImage(reason="too_many_bytes")
        facts = await self.tools.verify(data)
        await self.stores.require()
        picture_id, created_at = new_id(), from_milliseconds(milliseconds(self.clock.now()))
        picture = Picture(
            id=picture_id,
            owner=owner,
            key=picture_key(owner, created_at, picture_id, facts.mime_type),
            prompt=_plain(name),
            mode=Mode.UPLOAD,
            aspect_ratio=_nearest_ratio(facts),
            resolution=_nearest_resolution(facts),
            created_at=created_at,
            duration=0.0,
            mime_type=facts.mime_type,
            width=facts.width,
            height=facts.height,
            size_bytes=len(data),
            sha256=await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()),
            model="",
        )
        await self.keep(picture, data, insisting=False)  # nothing has been paid for, so nobody is kept waiting
        return picture


def _plain(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(filter(str.isprintable, last)).strip()[:MAX_NAME_CHARACTERS]


def _nearest_ratio(facts: PictureFacts) -> str:
    def distance(ratio: str) -> float:
        width, _, height = ratio.partition(":")
        return abs(facts.width * int(height) / (facts.height * int(width)) - 1)

    return min(RATIOS, key=distance)


def _nearest_resolution(facts: PictureFacts) -> str:
    """The nominal sizes of 1K, 2K and 4K pictures are each twice the one before (GEMINI.md section 2)."""
    longest = max(facts.width, facts.height)
    return "1K" if longest < 1800 else "2K" if longest < 3600 else "4K"
