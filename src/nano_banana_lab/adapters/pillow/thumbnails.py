"""Small upright copies. Imports Pillow, so it is itself imported only where a copy is made."""

from io import BytesIO

from PIL import Image
from PIL.Image import Transpose

from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_DECODERS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_QUALITY = 80
_MAX_PROFILE_BYTES = 16_384
_ORIENTATION = 0x0112
_UPRIGHT_BY = {
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


def small_copy(data: bytes, facts: PictureFacts, longest_side: int) -> bytes:
    """A WebP of at most `longest_side` pixels; `facts` are what the header said.

    Raises `InvalidImage`, whatever the decoder stumbles over.
    """
    try:
        with Image.open(BytesIO(data), formats=[_DECODERS[facts.mime_type]]) as picture:
            _check_size(picture, facts)
            return _webp(_upright(picture, longest_side), picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(reason="too_many_pixels") from error
    except Exception as error:  # decoders answer hostile files with errors of every kind
        raise InvalidImage(reason="truncated") from error


def _check_size(picture: Image.Image, facts: PictureFacts) -> None:
    if picture.size != (facts.width, facts.height):
        raise _HeadersDisagree


def _upright(picture: Image.Image, longest_side: int) -> Image.Image:
    orientation = _orientation(picture)
    small = picture if picture.format in ("JPEG", "MPO") else _in_plain_colours(picture)
    small.thumbnail((longest_side, longest_side))  # lets the JPEG decoder skip detail it would throw away
    small = _in_plain_colours(small)
    return small.transpose(_UPRIGHT_BY[orientation]) if orientation in _UPRIGHT_BY else small


def _orientation(picture: Image.Image) -> int | None:
    try:
        orientation = picture.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001  # a photo with garbled EXIF is still a photo
        return None
    return orientation if isinstance(orientation, int) else None


def _in_plain_colours(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA when anything is transparent: palettes cannot be scaled, and WebP knows nothing else."""
    if picture.mode in ("RGB", "RGBA") and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):  # 16 bits of grey, which a plain conversion would clip instead of scale
        return picture.convert("I").point(lambda shade: shade * (1 / 256)).convert("L").convert("RGB")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _webp(small: Image.Image, original: Image.Image) -> bytes:
    profile = original.info.get("icc_profile") or b""
    fits = original.mode in ("RGB", "RGBA", "P") and len(profile) <= _MAX_PROFILE_BYTES
    file = BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, icc_profile=profile if fits else b"")
    return file.getvalue()
