"""What every `PictureTools` promises, and the tools that keep it."""

import asyncio
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage, PictureFacts

SIZE = (321, 123)
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def picture(format: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options) -> bytes:
    file = BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(file, format, **options)
    return file.getvalue()


def facts_of(format: str, size: tuple[int, int] = SIZE) -> PictureFacts:
    return PictureFacts(mime_type=FORMATS[format], width=size[0], height=size[1])


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def quartered(size: tuple[int, int] = (400, 200)) -> Image.Image:
    """Red at the top left, white elsewhere: shows how a picture is turned."""
    image = Image.new("RGB", size, "white")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    return image


def png_claiming(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


class PictureToolsContract:
    """The promises. A subclass says how to make tools with given limits, in pixels and bytes."""

    def make_tools(self, *, max_pixels: int = 50_000_000, max_bytes: int = 20 * 1024 * 1024):
        raise NotImplementedError

    @pytest.fixture
    def tools(self):
        return self.make_tools()

    @pytest.mark.parametrize("format", FORMATS)
    async def test_reads_type_and_size_from_the_content(self, tools, format):
        facts = await tools.inspect(picture(format, SIZE))

        assert facts_of(format) == facts

    @pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
    async def test_reads_every_kind_of_webp_header(self, tools, options):
        facts = await tools.inspect(picture("WEBP", SIZE, **options))

        assert facts_of("WEBP") == facts

    @pytest.mark.parametrize(
        "options", [{"progressive": True}, {"icc_profile": b"p" * 200_000}, {"comment": b"c" * 60_000}]
    )
    async def test_finds_the_size_of_a_jpeg_behind_whatever_comes_first(self, tools, options):
        facts = await tools.inspect(picture("JPEG", SIZE, **options))

        assert facts_of("JPEG") == facts

    async def test_reports_the_size_as_stored_before_any_rotation(self, tools):
        exif = Image.Exif()
        exif[0x0112] = 6

        facts = await tools.inspect(picture("JPEG", SIZE, exif=exif))

        assert facts_of("JPEG") == facts

    @pytest.mark.parametrize("format", FORMATS)
    async def test_the_header_alone_is_enough_to_inspect(self, tools, format):
        data = picture(format, SIZE, quality=100)

        facts = await tools.inspect(data[: len(data) - 500])

        assert facts_of(format) == facts

    @pytest.mark.parametrize("format", FORMATS)
    async def test_a_file_cut_inside_its_header_is_truncated(self, tools, format):
        whole = picture(format)

        for length in (1, 4, 10, 20):
            with pytest.raises(InvalidImage) as refused:
                await tools.inspect(whole[:length])
            assert refused.value.details == {"reason": "truncated"}, length

    @pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "ICO", "JPEG2000", "AVIF"])
    async def test_other_picture_formats_are_unsupported(self, tools, format):
        with pytest.raises(InvalidImage) as refused:
            await tools.inspect(picture(format, (64, 64)))

        assert refused.value.details == {"reason": "unsupported_format"}

    @pytest.mark.parametrize("text", ["<svg xmlns='x'/>", "<?xml version='1.0'?>\n<svg/>", "\n <!-- c --><svg/>"])
    async def test_drawings_in_svg_are_unsupported(self, tools, text):
        with pytest.raises(InvalidImage) as refused:
            await tools.inspect(text.encode())

        assert refused.value.details == {"reason": "unsupported_format"}

    @pytest.mark.parametrize(
        "data", [b"", b"hello", b"<!DOCTYPE html><html>", b"%PDF-1.7", b"RIFF\x24\0\0\0WAVEfmt ", bytes(64)]
    )
    async def test_anything_else_is_not_an_image(self, tools, data):
        with pytest.raises(InvalidImage) as refused:
            await tools.inspect(data)

        assert refused.value.details == {"reason": "not_an_image"}

    async def test_a_picture_without_any_width_is_not_an_image(self, tools):
        with pytest.raises(InvalidImage) as refused:
            await tools.inspect(png_claiming(0, 10))

        assert refused.value.details == {"reason": "not_an_image"}

    async def test_a_picture_of_as_many_pixels_as_allowed_is_fine(self):
        tools = self.make_tools(max_pixels=10_000)

        assert (await tools.inspect(picture(size=(100, 100)))).width == 100

    async def test_one_row_more_is_too_many_pixels(self):
        tools = self.make_tools(max_pixels=10_000)

        for act in (tools.inspect, tools.thumbnail):
            with pytest.raises(InvalidImage) as refused:
                await act(picture(size=(100, 101)))
            assert refused.value.details == {"reason": "too_many_pixels"}

    async def test_a_header_that_claims_a_huge_size_is_refused(self, tools):
        for act in (tools.inspect, tools.thumbnail):
            with pytest.raises(InvalidImage) as refused:
                await act(png_claiming(2**31 - 1, 2**31 - 1))
            assert refused.value.details == {"reason": "too_many_pixels"}

    async def test_a_file_longer_than_allowed_is_too_many_bytes(self):
        data = picture()
        tools = self.make_tools(max_bytes=len(data))

        assert (await tools.inspect(data)).width == 300
        for act in (tools.inspect, tools.thumbnail):
            with pytest.raises(InvalidImage) as refused:
                await act(data + b"\0")
            assert refused.value.details == {"reason": "too_many_bytes"}

    @pytest.mark.parametrize("format", FORMATS)
    async def test_a_thumbnail_is_a_webp_with_the_longest_side_asked_for(self, tools, format):
        small = opened(await tools.thumbnail(picture(format, (1200, 800)), longest_side=300))

        assert small.format == "WEBP"
        assert small.size == (300, 200)

    async def test_the_longest_side_is_512_unless_told_otherwise(self, tools):
        assert opened(await tools.thumbnail(picture(size=(500, 1000)))).size == (256, 512)

    async def test_a_small_picture_is_not_enlarged(self, tools):
        assert opened(await tools.thumbnail(picture(size=(40, 30)))).size == (40, 30)

    async def test_a_line_one_pixel_thin_keeps_that_pixel(self, tools):
        assert opened(await tools.thumbnail(picture(size=(5000, 1)))).size == (512, 1)

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize(
        ("orientation", "size", "red_corner"),
        [
            (1, (400, 200), (20, 20)),
            (2, (400, 200), (380, 20)),
            (3, (400, 200), (380, 180)),
            (4, (400, 200), (20, 180)),
            (5, (200, 400), (20, 20)),
            (6, (200, 400), (180, 20)),
            (7, (200, 400), (180, 380)),
            (8, (200, 400), (20, 380)),
        ],
    )
    async def test_a_thumbnail_stands_upright(self, tools, format, orientation, size, red_corner):
        exif, file = Image.Exif(), BytesIO()
        exif[0x0112] = orientation
        quartered().save(file, format, exif=exif)

        small = opened(await tools.thumbnail(file.getvalue()))

        corners = {(x, y) for x in (20, size[0] - 20) for y in (20, size[1] - 20)}
        assert size == small.size
        assert {red_corner} == {corner for corner in corners if small.convert("RGB").getpixel(corner)[1] < 128}

    @pytest.mark.parametrize(("format", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA")])
    async def test_transparency_is_kept(self, tools, format, mode):
        file = BytesIO()
        image = Image.new(mode, (600, 600))
        image.paste(Image.new(mode, (300, 600), "white"), (0, 0))
        image.save(file, format)

        small = opened(await tools.thumbnail(file.getvalue(), longest_side=100))

        assert small.getpixel((10, 50))[3] == 255
        assert small.getpixel((90, 50))[3] == 0

    @pytest.mark.parametrize("mode", ["1", "L", "P", "I;16"])
    async def test_other_kinds_of_pixels_keep_their_shade(self, tools, mode):
        file = BytesIO()
        image = Image.new(mode, (600, 600), 0 if mode != "I;16" else 0x8000)
        if mode == "P":
            image.putpalette([128, 128, 128])
        image.save(file, "PNG")

        small = opened(await tools.thumbnail(file.getvalue(), longest_side=100))

        expected = 0 if mode in ("1", "L") else 128
        assert small.convert("L").getpixel((50, 50)) == pytest.approx(expected, abs=3)

    @pytest.mark.parametrize(("mode", "shade"), [("P", 3), ("L", 7), ("RGB", (1, 2, 3))])
    async def test_a_transparent_colour_stays_transparent(self, tools, mode, shade):
        file = BytesIO()
        image = Image.new(mode, (50, 50), shade)
        if mode == "P":
            image.putpalette(range(12))
        image.save(file, "PNG", transparency=shade)

        assert opened(await tools.thumbnail(file.getvalue())).getpixel((25, 25))[3] == 0

    async def test_a_jpeg_in_printing_colours_becomes_an_ordinary_thumbnail(self, tools):
        file = BytesIO()
        Image.new("CMYK", (900, 600), (0, 255, 255, 0)).save(file, "JPEG")

        red, green, blue = opened(await tools.thumbnail(file.getvalue())).convert("RGB").getpixel((100, 100))

        assert red > 200
        assert max(green, blue) < 60

    @pytest.mark.parametrize("format", ["PNG", "WEBP"])
    async def test_the_first_picture_of_an_animation_is_shown(self, tools, format):
        file = BytesIO()
        frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue", "green")]
        frames[0].save(file, format, save_all=True, append_images=frames[1:], duration=100)

        small = opened(await tools.thumbnail(file.getvalue()))

        assert not getattr(small, "is_animated", False)
        assert small.convert("RGB").getpixel((30, 30))[0] > 200

    @pytest.mark.parametrize("format", FORMATS)
    async def test_pixels_that_stop_halfway_make_no_thumbnail(self, tools, format):
        data = picture(format, (1000, 1000), quality=100)

        with pytest.raises(InvalidImage) as refused:
            await tools.thumbnail(data[: len(data) // 2])

        assert refused.value.details == {"reason": "truncated"}

    async def test_thumbnails_at_the_same_time_do_not_mix(self, tools):
        sizes = [(600 + 10 * nth, 300) for nth in range(12)]

        made = await asyncio.gather(*(tools.thumbnail(picture(size=size), longest_side=size[0]) for size in sizes))

        assert sizes == [opened(data).size for data in made]


class TestPillowPictureTools(PictureToolsContract):
    def make_tools(self, **limits):
        return PillowPictureTools(**limits)
