"""A file from outside, looked at from its first byte to its last."""

import struct

import msgspec

from nano_banana_lab.adapters.pillow.headers import read_facts
from nano_banana_lab.adapters.pillow.jpeg_file import check_jpeg
from nano_banana_lab.adapters.pillow.other_kinds import refuse_other_kinds
from nano_banana_lab.adapters.pillow.png_file import check_png
from nano_banana_lab.adapters.pillow.webp_file import check_webp
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

_CHECKS = {"image/png": check_png, "image/jpeg": check_jpeg, "image/webp": check_webp}


def verify(data: bytes, facts: PictureFacts) -> PictureFacts:
    """First the structure, whose cost is bounded by the length of the file, then the pixels. Raises `InvalidImage`."""
    from nano_banana_lab.adapters.pillow.decoding import decode  # noqa: PLC0415  # imports Pillow: not at start

    try:
        refuse_other_kinds(data)
        pixels = _CHECKS[facts.mime_type](data, facts)
        first = read_facts(pixels)
    except (struct.error, IndexError):
        raise InvalidImage(reason="truncated") from None
    decode(pixels, msgspec.structs.replace(facts, width=first.width, height=first.height))
    return facts
