"""Copies turned upright. Imports Pillow, so it is itself imported only where a picture must be turned.

What one takes at its peak, in bytes for each pixel besides the files themselves: 8 for PNG and JPEG, up to 12 for a
JPEG of several scans; WebP 17, but 33 without loss and 40 with loss and transparency. Each kind has a limit of its own,
so none takes much more than 400 MB. A copy is given up while it is written, but WebP is written in one go.
"""

from typing import Any

from PIL import Image, JpegImagePlugin
from PIL.Image import Transpose
from PIL.PngImagePlugin import PngInfo

from nano_banana_lab.adapters.pillow import jpeg_file, png_file, webp_file
from nano_banana_lab.adapters.pillow.bounded_file import BoundedFile
from nano_banana_lab.adapters.pillow.decoding import UPRIGHT_BY, nothing_but_invalid_images, opened
from nano_banana_lab.adapters.pillow.deep_png import is_deep, turned_deep_png
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_MAX_PIXELS_IN_SCANS = 35_000_000
_MAX_PIXELS_OF_PLAIN_WEBP = 25_000_000
_MAX_PIXELS_OF_WEBP = 10_000_000
_QUALITY = 95
_EFFORT = 20
"""Of 100, for lossless WebP: a person waits for it."""

_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SAMPLINGS_THAT_TURN = (0, 2)
"""Colours kept for every pixel, or for two by two; those kept two by one would become one by two."""

_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")


def turned(data: bytes, facts: PictureFacts, orientation: int, most: int) -> bytes:
    """A copy of the same type in at most `most` bytes, upright; of an animation its first picture.

    Raises `InvalidImage`.
    """
    how = UPRIGHT_BY[orientation]
    if facts.mime_type == "image/png" and is_deep(data):
        return turned_deep_png(data, facts, how, most)
    upright, options = _unpacked(data, facts, how)
    file = BoundedFile(most)
    with nothing_but_invalid_images():
        upright.save(file, **options)
    return file.getvalue()


def _unpacked(data: bytes, facts: PictureFacts, how: Transpose) -> tuple[Image.Image, dict[str, Any]]:
    """The turned pixels and how to pack them; what the decoder held is free again."""
    with opened(_without_notes(data, facts), facts) as picture:
        options = _OPTIONS[facts.mime_type](data, picture)
        return picture.transpose(how), options | {"icc_profile": _profile(picture)}


def _without_notes(data: bytes, facts: PictureFacts) -> bytes:
    return jpeg_file.painted(data, list(jpeg_file.segments(data))) if facts.mime_type == "image/jpeg" else data


def _profile(picture: Image.Image) -> bytes:
    profile: bytes = picture.info.get("icc_profile") or b""
    return profile if len(profile) <= _MAX_PROFILE_BYTES else b""


def _jpeg_options(data: bytes, picture: Image.Image) -> dict[str, Any]:
    """Never progressive: Pillow would pack that in one go, and no other thread could run meanwhile."""
    if not jpeg_file.is_one_scan(data, list(jpeg_file.segments(data))):
        _refuse_more_pixels(picture, _MAX_PIXELS_IN_SCANS)
    sampling = JpegImagePlugin.get_sampling(picture)
    return {"format": "JPEG", "quality": _QUALITY, "subsampling": sampling if sampling in _SAMPLINGS_THAT_TURN else 0}


def _png_options(data: bytes, _: Image.Image) -> dict[str, Any]:
    colours = PngInfo()
    for chunk in png_file.chunks(data):
        if chunk.kind in _COLOUR_CHUNKS:
            colours.add(chunk.kind, chunk.content(data))
    return {"format": "PNG", "pnginfo": colours, "compress_level": 3}


def _webp_options(data: bytes, picture: Image.Image) -> dict[str, Any]:
    lossless = webp_file.is_lossless(data)
    is_plain = not lossless and picture.mode == "RGB"
    _refuse_more_pixels(picture, _MAX_PIXELS_OF_PLAIN_WEBP if is_plain else _MAX_PIXELS_OF_WEBP)
    if lossless:
        return {"format": "WEBP", "lossless": True, "exact": True, "quality": _EFFORT, "method": 1}
    return {"format": "WEBP", "quality": _QUALITY, "method": 2}


def _refuse_more_pixels(picture: Image.Image, most: int) -> None:
    if picture.width * picture.height > most:
        raise InvalidImage(reason="too_many_pixels")


_OPTIONS = {"image/jpeg": _jpeg_options, "image/png": _png_options, "image/webp": _webp_options}
