"""Small upright copies. Imports Pillow, so it is itself imported only where a copy is made."""

from io import BytesIO

from PIL import Image

from nano_banana_lab.adapters.pillow.decoding import UPRIGHT_BY, opened
from nano_banana_lab.core.history.ports import PictureFacts

_QUALITY = 80
_MAX_PROFILE_BYTES = 16_384
_ORIENTATION = 0x0112


def small_copy(data: bytes, facts: PictureFacts, longest_side: int) -> bytes:
    """A WebP of at most `longest_side` pixels; `facts` are what the header said.

    Raises `InvalidImage`, whatever the decoder stumbles over.
    """
    with opened(data, facts) as picture:
        return _webp(_upright(picture, longest_side), picture)


def _upright(picture: Image.Image, longest_side: int) -> Image.Image:
    orientation = _orientation(picture)
    small = picture if picture.format in ("JPEG", "MPO") else _in_plain_colours(picture)
    small.thumbnail((longest_side, longest_side))  # lets the JPEG decoder skip detail it would throw away
    small = _in_plain_colours(small)
    return small.transpose(UPRIGHT_BY[orientation]) if orientation in UPRIGHT_BY else small


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
