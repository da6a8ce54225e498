"""What keeping pictures needs from outside: somebody who understands picture files."""

from typing import ClassVar, Protocol

import msgspec

from nano_banana_lab.core.shared.errors import LabError


class InvalidImage(LabError):
    """The bytes are not a picture the lab can use.

    The detail `reason` is `not_an_image`, `unsupported_format`, `truncated` (cut short or damaged),
    `too_many_pixels` or `too_many_bytes`; `field` names the input once the caller knows it.
    """

    code: ClassVar[str] = "invalid_image"
    sentence = "This is not a usable picture ({reason})."


class PictureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a picture file says of itself; sizes in pixels as stored, before any EXIF rotation."""

    mime_type: str
    width: int
    height: int


class PictureTools(Protocol):
    """Looks at picture files and makes small copies; never alters what it is given.

    Knows PNG, JPEG and WebP. MUST NOT block the event loop and MUST NOT unpack more than its pixel limit.
    """

    async def inspect(self, data: bytes) -> PictureFacts:
        """Type by content and size in pixels, from the header alone, without decoding the pixels.

        Raises `InvalidImage`.
        """
        ...

    async def thumbnail(self, data: bytes, *, longest_side: int = 512) -> bytes:
        """A WebP copy, upright, proportions kept, never larger than the original. Raises `InvalidImage`."""
        ...
