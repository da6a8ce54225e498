"""What turning takes: memory in proportion to the pixels, and no more pixels than that allows."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO

import pytest
from PIL import Image
from tests.adapters.test_pillow_picture_tools import PEAK, chunk, exif, on_linux, opened, png
from tests.adapters.test_pillow_picture_tools_uploads import canvas, jpeg, scan, webp

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

TURNED = exif(6).tobytes()
TIFF = TURNED.removeprefix(b"Exif\0\0")


def deep_png(width: int, height: int, colour: int = 6, interlaced: int = 0, pixels: bytes = b"") -> bytes:
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, interlaced))
    return png(start, chunk(b"eXIf", TIFF), chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b""))


def black(width: int, height: int, interlaced: int = 0) -> bytes:
    """16 bits a channel and more than enough zeros for rows, filters and passes."""
    return deep_png(width, height, 6, interlaced, bytes(height * (2 + width * 8) + width * 8))


def saved(format: str, mode: str = "RGB", **options) -> bytes:
    """Four million pixels, unlike each other."""
    file, noise = BytesIO(), Image.effect_noise((2000, 2000), 60)
    Image.merge(mode, [noise] * len(mode)).save(file, format, exif=exif(6), **options)
    return file.getvalue()


BYTES_PER_PIXEL = {
    "png": (8, lambda: saved("PNG", "RGBA", compress_level=1)),
    "jpeg": (8, lambda: saved("JPEG", quality=50)),
    "progressive": (10, lambda: saved("JPEG", quality=50, progressive=True, subsampling=0)),
    "printing colours": (12, lambda: saved("JPEG", "CMYK", quality=50, progressive=True, subsampling=0)),
    "16 bits": (13, lambda: black(2000, 2000)),
    "16 bits, interlaced": (13, lambda: black(2000, 2000, interlaced=1)),
    "webp": (17, lambda: saved("WEBP", quality=50, method=0)),
    "lossless": (33, lambda: saved("WEBP", lossless=True, method=0, quality=0)),
    "transparent": (40, lambda: saved("WEBP", "RGBA", quality=50, method=0)),
}


@on_linux
@pytest.mark.parametrize("name", BYTES_PER_PIXEL)
def test_turning_takes_memory_in_proportion_to_the_pixels(name, tmp_path):
    """In a process of its own, where the peak is only its: besides the pixels 24 MiB for the files and the rows at work."""
    bytes_per_pixel, make = BYTES_PER_PIXEL[name]
    (tmp_path / "picture").write_bytes(make())
    (tmp_path / "small").write_bytes(opened_and_saved_small(tmp_path / "picture"))
    script = f"""{PEAK}
import asyncio, pathlib
from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
async def main():
    tools, data = PillowPictureTools(), pathlib.Path({str(tmp_path / "picture")!r}).read_bytes()
    await tools.upright(pathlib.Path({str(tmp_path / "small")!r}).read_bytes())
    before = peak()
    await tools.upright(data)
    print((peak() - before) * 1024)
asyncio.run(main())
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) < bytes_per_pixel * 4_000_000 + 24 * 1024 * 1024


def opened_and_saved_small(path) -> bytes:
    """Of the same kind, so that what is imported for it is imported already."""
    file = BytesIO()
    with Image.open(path) as picture:
        Image.new("RGB", (8, 8)).save(file, picture.format, exif=exif(6))
    return file.getvalue()


def turned_webp(width: int, height: int, kind: bytes, pixels: bytes, flags: int = 8) -> bytes:
    note = b"EXIF" + struct.pack("<I", len(TIFF)) + TIFF
    return webp(canvas(width, height, flags), kind + struct.pack("<I", len(pixels)) + pixels, note)


def lossless(width: int, height: int) -> bytes:
    return turned_webp(width, height, b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + b"\0")


def lossy(width: int, height: int) -> bytes:
    return turned_webp(width, height, b"VP8 ", b"\x50\1\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20))


def turned_jpeg(data: bytes) -> bytes:
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(TURNED) + 2) + TURNED + data[2:]


TOO_MANY = {
    "16 bits of four channels": deep_png(4000, 3200),
    "16 bits of three channels": deep_png(4200, 4000, colour=2),
    "several scans": turned_jpeg(jpeg(6000, 6000, scan(0, 0), scan(1, 63))),
    "webp": lossy(5001, 5000),
    "lossless": lossless(3200, 3200),
}


@pytest.mark.parametrize("name", TOO_MANY)
async def test_what_would_take_too_much_memory_is_refused_before_it_is_unpacked(name):
    with pytest.raises(InvalidImage) as refused:
        await PillowPictureTools().upright(TOO_MANY[name])

    assert refused.value.details == {"reason": "too_many_pixels"}


async def test_a_progressive_photo_is_turned_into_a_plain_one():
    copy = await PillowPictureTools().upright(saved("JPEG", quality=50, progressive=True))

    assert "progressive" not in opened(copy).info


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (65_535, 2), (3, 65_535)])
async def test_a_png_of_16_bits_may_have_any_shape(size, interlaced):
    copy = await PillowPictureTools().upright(black(*size, interlaced))

    assert (await PillowPictureTools().verify(copy)).width == size[1]
