"""What keeping pictures needs from outside: somebody who understands picture files."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

from nano_banana_lab.core.shared.errors import LabError


class InvalidImage(LabError):
    """The bytes are not a picture the lab can use.

    The detail `reason` is `not_an_image`, `unsupported_format`, `truncated` (cut short or damaged),
    `too_many_pixels`, `too_many_bytes`, or `something_else_too` (another kind of file behind or within the picture);
    `field` names the input once the caller knows it.
    """

    code: ClassVar[str] = "invalid_image"
    sentence = "This is not a usable picture ({reason})."
    words: ClassVar[Mapping[str, str]] = {
        "not_an_image": "not an image",
        "unsupported_format": "neither PNG nor JPEG nor WebP",
        "truncated": "cut short or damaged",
        "too_many_pixels": "too many pixels",
        "too_many_bytes": "too many bytes",
        "something_else_too": "another kind of file is behind or within it",
    }


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

    async def verify(self, data: bytes) -> PictureFacts:
        """What `inspect` says of a picture from outside, after decoding all of its pixels once.

        MUST refuse a file that is also something else - a polyglot such as a picture with an archive, a script or a page
        of HTML behind its end - and one whose pixels do not come to their end. Raises `InvalidImage`.
        """
        ...

    async def upright(self, data: bytes) -> bytes:
        """The picture as a person sees it: the very same bytes, unless EXIF says that it must be turned.

        Then a turned copy of the same type and kind of compression, lossless where the original was, without the EXIF
        orientation, its colour profile kept. It MUST be given up as soon as it is found to have more bytes than the
        tools allow - 20 MiB, as many as one input may have - and before anything is unpacked when its pixels would take
        more memory than they allow, because both can be asked for by very few bytes.

        Raises `InvalidImage`; for these two with the reasons `too_many_bytes` and `too_many_pixels`.
        """
        ...
