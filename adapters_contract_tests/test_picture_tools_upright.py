"""What every `PictureTools` promises about pictures that were taken with a turned camera."""

import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import pytest
from adapters_contract_tests.test_picture_tools import FORMATS, facts_of, opened, picture, quartered
from PIL import Image, ImageChops, ImageCms, ImageStat
from PIL.Image import Transpose

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}}
UP = 2
"""The PNG filter for differences from the row above."""

HOW = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def saved(image: Image.Image, format: str, orientation: int, **options) -> bytes:
    file = BytesIO()
    image.save(file, format, exif=turned(orientation), **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def deep_png(rows: list[bytes], columns: int, colour: int, orientation: int, *, filter: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", columns, len(rows), 16, colour, 0, 0, 0)
    exif = turned(orientation).tobytes().removeprefix(b"Exif\0\0")
    pixels = zlib.compress(b"".join(bytes((filter,)) + row for row in rows))
    parts = ((b"IHDR", header), (b"gAMA", struct.pack(">I", 45455)), (b"eXIf", exif), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def deep_pixels(data: bytes, step: int) -> list[bytes]:
    """Rows of a 16-bit PNG whose filters are none or the difference from the left."""
    (columns,) = struct.unpack_from(">I", data, 16)
    raw = zlib.decompress(b"".join(content for kind, content in chunks(data) if kind == b"IDAT"))
    rows = []
    for begin in range(0, len(raw), 1 + columns * step):
        row = bytearray(raw[begin + 1 : begin + 1 + columns * step])
        for place in range(step, len(row)) if raw[begin] else ():
            row[place] = (row[place] + row[place - step]) & 0xFF
        rows.append(bytes(row))
    return rows


def noise(mode: str) -> Image.Image:
    return Image.merge(mode, [Image.effect_noise((300, 200), 90)] * len(mode))


LARGE = {
    "jpeg": saved(noise("RGB"), "JPEG", 6, quality=90),
    "png": saved(noise("RGBA"), "PNG", 6),
    "webp": saved(noise("RGB"), "WEBP", 6),
    "lossless": saved(noise("RGB"), "WEBP", 6, lossless=True),
    "16 bits": deep_png([noise("L").tobytes()[nth : nth + 800] for nth in range(200)], 100, 6, 6),
}


def swelling() -> bytes:
    """Rows that repeat the one before, which a packer that looks back 32 KiB sees only by the filter that says so."""
    rows = [random.Random(1).randbytes(96_000), *[bytes(96_000)] * 249]
    return deep_png(rows, 12_000, 6, 2, filter=UP)


class UprightContract:
    """The promises. A subclass says how to make tools with given limits, in pixels, bytes and bytes of a turned copy."""

    def make_tools(
        self,
        *,
        max_pixels: int = 50_000_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_turned_bytes: int = 20 * 1024 * 1024,
    ):
        raise NotImplementedError

    @pytest.fixture
    def tools(self):
        return self.make_tools()

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("orientation", [None, 0, 1, 9, 258])
    async def test_what_stands_upright_stays_the_very_same(self, tools, format, orientation):
        data = picture(format) if orientation is None else saved(quartered(), format, orientation)

        assert await tools.upright(data) is data

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize(
        "exif",
        [b"garbled", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0"],
    )
    async def test_what_has_garbled_exif_stays_the_very_same(self, tools, format, exif):
        data = picture(format, exif=b"Exif\0\0" + exif)

        assert await tools.upright(data) is data

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("orientation", HOW)
    async def test_a_turned_picture_is_set_upright(self, tools, format, orientation):
        copy = await tools.upright(saved(quartered(), format, orientation))

        image, expected = opened(copy), quartered().transpose(HOW[orientation])
        difference = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), expected)).mean
        assert facts_of(format, expected.size) == await tools.verify(copy)
        assert max(difference) < 3
        assert await tools.upright(copy) is copy

    @pytest.mark.parametrize("format", LOSSLESS)
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    async def test_what_was_kept_without_loss_is_turned_without_loss(self, tools, format, mode):
        image = Image.effect_noise((90, 60), 90).convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.effect_noise((90, 60), 90))

        copy = opened(await tools.upright(saved(image, format, 6, **LOSSLESS[format])))

        assert mode == copy.mode
        assert image.transpose(Transpose.ROTATE_270).tobytes() == copy.tobytes()

    @pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
    async def test_a_png_keeps_its_kind_of_pixels(self, tools, mode):
        image = Image.effect_noise((90, 60), 90).convert(mode)

        copy = opened(await tools.upright(saved(image, "PNG", 8)))

        assert mode == copy.mode
        assert image.transpose(Transpose.ROTATE_90).convert("RGBA").tobytes() == copy.convert("RGBA").tobytes()

    @pytest.mark.parametrize(("colour", "step"), [(0, 2), (2, 6), (4, 4), (6, 8)])
    async def test_a_png_of_16_bits_keeps_all_of_them(self, tools, colour, step):
        noise = Image.effect_noise((5 * step, 3), 90).tobytes()
        rows = [noise[begin : begin + 5 * step] for begin in range(0, len(noise), 5 * step)]

        copy = await tools.upright(deep_png(rows, 5, colour, 6))

        columns = [b"".join(row[at : at + step] for row in reversed(rows)) for at in range(0, 5 * step, step)]
        assert columns == deep_pixels(copy, step)
        assert (16, colour) == (copy[24], copy[25])
        assert chunk(b"gAMA", struct.pack(">I", 45455)) in copy
        assert await tools.verify(copy) == facts_of("PNG", (3, 5))

    @pytest.mark.parametrize("format", FORMATS)
    async def test_a_colour_profile_goes_along(self, tools, format):
        copy = await tools.upright(saved(quartered(), format, 3, icc_profile=PROFILE))

        assert opened(copy).info["icc_profile"] == PROFILE

    @pytest.mark.parametrize("progressive", [True, False])
    async def test_a_jpeg_in_printing_colours_stays_one(self, tools, progressive):
        image = Image.new("CMYK", (90, 60), (0, 255, 255, 0))

        copy = opened(await tools.upright(saved(image, "JPEG", 6, progressive=progressive)))

        assert (copy.mode, copy.size) == ("CMYK", (60, 90))
        assert copy.getpixel((30, 45)) == pytest.approx((0, 255, 255, 0), abs=3)

    @pytest.mark.parametrize("format", FORMATS)
    async def test_pixels_that_stop_halfway_cannot_be_turned(self, tools, format):
        data = saved(Image.effect_noise((500, 500), 90), format, 6)

        with pytest.raises(InvalidImage) as refused:
            await tools.upright(data[: len(data) // 2])

        assert refused.value.details == {"reason": "truncated"}

    async def test_limits_come_first(self):
        data = saved(quartered((100, 101)), "PNG", 6)

        for limits, reason in (({"max_pixels": 9_999}, "too_many_pixels"), ({"max_bytes": 99}, "too_many_bytes")):
            with pytest.raises(InvalidImage) as refused:
                await self.make_tools(**limits).upright(data)
            assert refused.value.details == {"reason": reason}

    @pytest.mark.parametrize("name", LARGE)
    async def test_a_copy_may_have_as_many_bytes_as_allowed_and_not_one_more(self, tools, name):
        size = len(await tools.upright(LARGE[name]))

        assert len(await self.make_tools(max_turned_bytes=size).upright(LARGE[name])) == size
        with pytest.raises(InvalidImage) as refused:
            await self.make_tools(max_turned_bytes=size - 1).upright(LARGE[name])
        assert refused.value.details == {"reason": "too_many_bytes"}

    async def test_a_copy_of_more_than_20_mebibytes_is_refused_unless_told_otherwise(self, tools):
        data = swelling()

        with pytest.raises(InvalidImage) as refused:
            await tools.upright(data)

        assert len(data) < 300_000
        assert refused.value.details == {"reason": "too_many_bytes"}

    async def test_what_stands_upright_may_have_any_size(self):
        data = picture(size=(500, 500))

        assert await self.make_tools(max_turned_bytes=10).upright(data) is data


class TestPillowPictureTools(UprightContract):
    def make_tools(self, **limits):
        return PillowPictureTools(**limits)
