"""The use cases that take pictures, on the lab in memory."""

import io

from PIL import Image

from nano_banana_lab.core.generation.input_pictures import SentPicture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.testing.scripted_image_model import striped_png

ALICE = Caller(owner=OwnerId("alice"))


def sent(note: str, field: str = "images.0") -> SentPicture:
    """A small picture that came with the request; another note, another picture."""
    return SentPicture(data=striped_png(8, 8, note=note), field=field)


def photo(format: str = "JPEG", *, orientation: int | None = None) -> bytes:
    """A photo of 40 by 30 pixels, perhaps taken with the camera on its side."""
    exif, file = Image.Exif(), io.BytesIO()
    if orientation:
        exif[0x0112] = orientation
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(file, format, exif=exif)
    return file.getvalue()
