"""Pictures that a request brings along, and how they reach the model."""

from collections.abc import Awaitable, Sequence, Sized
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from nano_banana_lab.core.generation.image_request import PicturePart
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.history.ports import InvalidImage, PictureTools
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, read_blob

T = TypeVar("T")

MAX_PICTURES = 14
"""More the models do not take in one request (GEMINI.md section 2)."""

MAX_PICTURE_BYTES = 20 * 1024 * 1024
"""For each; a 4K picture that a model made has up to 20 MB and may be used again."""

MAX_TOTAL_BYTES = 70 * 1024 * 1024
"""For all of one request: in base64, with the rest of it, within the 100 million bytes that Google takes (GEMINI.md section 2)."""


class StoredPicture(msgspec.Struct, frozen=True, kw_only=True, tag="stored"):
    """A picture that its owner has in the lab; `field` is where the request names it."""

    key: str
    field: str


class SentPicture(msgspec.Struct, frozen=True, kw_only=True, tag="sent"):
    """A picture that came with the request itself; `field` is where it stands there."""

    data: bytes
    field: str


class HeldPicture(msgspec.Struct, frozen=True, kw_only=True, tag="held"):
    """A sent picture that was verified and put in the blob store, because it is needed later; `field` is where it stood."""

    key: str
    field: str


InputPicture = StoredPicture | SentPicture | HeldPicture


@dataclass(frozen=True, kw_only=True)
class LoadPictures:
    """Own pictures and sent ones, in the order given, ready for the model.

    They go to the model byte for byte, unless EXIF says that a picture must be turned to be seen as it is meant.
    """

    find: FindPictures
    blobs: BlobStore
    tools: PictureTools

    async def __call__(self, owner: OwnerId, inputs: Sequence[InputPicture]) -> tuple[PicturePart, ...]:
        """The pictures. Nothing is read before it is known that the owner has every one that is named and that they fit.

        Raises `ImageNotFound` for a key that is not the owner's and `InvalidImage` for what is no usable picture, both
        with the detail `field`, and `ValidationFailed` when all together are too large.
        """
        await self.check(owner, inputs)
        parts = list[PicturePart]()
        for each in inputs:
            parts.append(await self._part(each))
            # Once more, before the next one: a picture that had to be turned may have grown.
            _check_sizes([(given.field, len(part.data)) for given, part in zip(inputs, parts, strict=False)])
        return tuple(parts)

    async def check(self, owner: OwnerId, inputs: Sequence[InputPicture]) -> None:
        """Raise what the call itself would raise, before anything is stored or paid for."""
        records = [await self._record(owner, each) for each in inputs]
        _check_sizes([(each.field, _size(each, record)) for each, record in zip(inputs, records, strict=True)])
        sent = [each for each in inputs if isinstance(each, SentPicture)]
        for each in sent:
            await self._of(each, self.tools.inspect(each.data))  # all of them before any is decoded, which takes time
        for each in sent:
            await self._of(each, self.tools.verify(each.data))

    async def _record(self, owner: OwnerId, given: InputPicture) -> Picture | None:
        if not isinstance(given, StoredPicture):
            return None
        try:
            return await self.find.by_key(owner, given.key)
        except ImageNotFound:
            raise ImageNotFound(field=given.field) from None

    async def _part(self, given: InputPicture) -> PicturePart:
        """Whatever it is, it has been verified: just now, or when it was stored."""
        data = given.data if isinstance(given, SentPicture) else await self._read(given)
        facts = await self._of(given, self.tools.inspect(data))
        upright = await self._of(given, self.tools.upright(data))
        return PicturePart(data=upright, mime_type=facts.mime_type, key=_key(given))

    async def _read(self, given: StoredPicture | HeldPicture) -> bytes:
        try:
            return await read_blob(self.blobs, given.key)
        except BlobNotFound:  # deleted since its record was read
            raise ImageNotFound(field=given.field) from None

    async def _of(self, given: InputPicture, found: Awaitable[T]) -> T:
        try:
            return await found
        except InvalidImage as error:
            raise InvalidImage(**error.details | {"field": given.field}) from error


def _key(given: InputPicture) -> str | None:
    return given.key if isinstance(given, StoredPicture) else None


def _size(given: InputPicture, record: Picture | None) -> int:
    if isinstance(given, SentPicture):
        return len(given.data)
    return record.size_bytes if record else 0


def _check_sizes(sizes: Sequence[tuple[str, int]]) -> None:
    total = 0
    for field, size in sizes:
        if size > MAX_PICTURE_BYTES:
            raise InvalidImage(reason="too_many_bytes", field=field)
        total += size
        if total > MAX_TOTAL_BYTES:
            raise ValidationFailed.of(field, "too_much_data", most=MAX_TOTAL_BYTES)


def check_count(inputs: Sized, *, field: str, least: int, most: int = MAX_PICTURES) -> None:
    """Raise `ValidationFailed` unless there are `least` to `most` pictures."""
    if len(inputs) < least:
        raise ValidationFailed.of(field, "too_few", least=least)
    if len(inputs) > most:
        raise ValidationFailed.of(field, "too_many", most=most)
