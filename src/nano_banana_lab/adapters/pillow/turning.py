"""Copies turned upright. Imports Pillow, so it is itself imported only where a picture must be turned."""

from io import BytesIO
from typing import Any

from PIL import Image, JpegImagePlugin
from PIL.PngImagePlugin import PngInfo

from nano_banana_lab.adapters.pillow import jpeg_file, png_file, webp_file
from nano_banana_lab.adapters.pillow.decoding import UPRIGHT_BY, opened
from nano_banana_lab.adapters.pillow.deep_png import is_deep, turned_deep_png
from nano_banana_lab.core.history.ports import PictureFacts

_QUALITY = 95
_EFFORT = 20
"""Of 100, for lossless WebP: a person waits for it."""

_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SAMPLINGS_THAT_TURN = (0, 2)
"""Colours kept for every pixel, or for two by two; those kept two by one would become one by two."""

_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")


def turned(data: bytes, facts: PictureFacts, orientation: int) -> bytes:
    """A copy of the same type, upright; of an animation its first picture. Raises `InvalidImage`."""
    if facts.mime_type == "image/png" and is_deep(data):
        return turned_deep_png(data, facts, UPRIGHT_BY[orientation])
    with opened(_without_notes(data, facts), facts) as picture:
        file = BytesIO()
        upright = picture.transpose(UPRIGHT_BY[orientation])
        upright.save(file, **_OPTIONS[facts.mime_type](data, picture), icc_profile=_profile(picture))
        return file.getvalue()


def _without_notes(data: bytes, facts: PictureFacts) -> bytes:
    return jpeg_file.painted(data, list(jpeg_file.segments(data))) if facts.mime_type == "image/jpeg" else data


def _profile(picture: Image.Image) -> bytes:
    profile: bytes = picture.info.get("icc_profile") or b""
    return profile if len(profile) <= _MAX_PROFILE_BYTES else b""


def _jpeg_options(_: bytes, picture: Image.Image) -> dict[str, Any]:
    sampling = JpegImagePlugin.get_sampling(picture)
    options = {"format": "JPEG", "quality": _QUALITY, "progressive": "progressive" in picture.info}
    return options | {"subsampling": sampling if sampling in _SAMPLINGS_THAT_TURN else 0}


def _png_options(data: bytes, _: Image.Image) -> dict[str, Any]:
    colours = PngInfo()
    for chunk in png_file.chunks(data):
        if chunk.kind in _COLOUR_CHUNKS:
            colours.add(chunk.kind, chunk.content(data))
    return {"format": "PNG", "pnginfo": colours, "compress_level": 3}


def _webp_options(data: bytes, _: Image.Image) -> dict[str, Any]:
    if webp_file.is_lossless(data):
        return {"format": "WEBP", "lossless": True, "exact": True, "quality": _EFFORT, "method": 1}
    return {"format": "WEBP", "quality": _QUALITY, "method": 2}


_OPTIONS = {"image/jpeg": _jpeg_options, "image/png": _png_options, "image/webp": _webp_options}
