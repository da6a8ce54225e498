"""Pixels through Pillow. Imports it, so it is itself imported only where pixels are needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image
from PIL.Image import Transpose

from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_DECODERS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
UPRIGHT_BY = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a picture of this EXIF orientation upright (CIPA DC-008, 4.6.5.1)."""


class _HeadersDisagree(Exception):
    """The decoder found another size than the one that was checked."""


@contextmanager
def opened(data: bytes, facts: PictureFacts) -> Iterator[Image.Image]:
    """The picture as a decoder sees it; `facts` are what the header said.

    Raises `InvalidImage`, whatever the decoder stumbles over within.
    """
    with nothing_but_invalid_images(), Image.open(BytesIO(data), formats=[_DECODERS[facts.mime_type]]) as picture:
        _check_size(picture, facts)
        yield picture


@contextmanager
def nothing_but_invalid_images() -> Iterator[None]:
    """Raises `InvalidImage`, whatever Pillow stumbles over within."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(reason="too_many_pixels") from error
    except InvalidImage:
        raise
    except Exception as error:  # decoders answer hostile files with errors of every kind
        raise InvalidImage(reason="truncated") from error


def _check_size(picture: Image.Image, facts: PictureFacts) -> None:
    if picture.size != (facts.width, facts.height):
        raise _HeadersDisagree


def decode(data: bytes, facts: PictureFacts) -> None:
    """Unpacks every pixel and forgets it. Raises `InvalidImage`."""
    with opened(data, facts) as picture:
        picture.draft(picture.mode, (1, 1))  # JPEG: every coefficient is still read, but an eighth of the size painted
        picture.load()
