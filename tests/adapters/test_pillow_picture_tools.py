"""What is peculiar to Pillow: hostile files, its own limits, and formats it treats in a special way."""

import asyncio
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile
from PIL.PngImagePlugin import PngInfo

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

PEAK = """
def peak():
    \"""KiB that this program had at once; `ru_maxrss` would begin with what the one had that started it.\"""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak of one program")


def encoded(format: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options) -> bytes:
    file = BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(file, format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


SOUND = {
    "png": encoded("PNG", exif=exif(6)),
    "palette": encoded("PNG", mode="P", transparency=0),
    "sixteen bits": encoded("PNG", mode="I;16"),
    "jpeg": encoded("JPEG", exif=exif(3)),
    "progressive": encoded("JPEG", progressive=True),
    "cmyk": encoded("JPEG", mode="CMYK"),
    "webp": encoded("WEBP", exif=exif(8)),
    "lossless": encoded("WEBP", lossless=True, mode="RGBA"),
    "animated": encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")]),
    "apng": encoded("PNG", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")]),
}

JPEG_BOMB = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65500, 65500, 1) + b"\x01\x11\0"
WEBP_BOMB = b"RIFF\xff\xff\0\0WEBPVP8X" + struct.pack("<IB3x", 10, 0) + b"\xff\x3f\0\xff\x3f\0"
PNG_BOMB = png(header(30_000, 30_000), chunk(b"IDAT", zlib.compress(bytes(9_000_000))), chunk(b"IEND", b""))
SECOND_HEADER = png(header(10, 10), header(6_000, 8_000), chunk(b"IDAT", zlib.compress(bytes(144_008_000), 1)))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of oddities and goes on, as in production
@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(SOUND)),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), max_size=6),
    keep=st.floats(0.01, 1),
)
async def test_a_damaged_file_makes_a_thumbnail_or_an_invalid_image_and_nothing_else(name, edits, keep):
    data = bytearray(SOUND[name])
    for position, replacement in edits:
        at = position % len(data)
        data[at : at + len(replacement)] = replacement
    tools = PillowPictureTools(max_pixels=1_000_000, threads=1)

    with suppress(InvalidImage):
        small = opened(await tools.thumbnail(bytes(data[: int(len(data) * keep)])))
        assert small.format == "WEBP"
        assert max(small.size) <= 512


@pytest.mark.parametrize("bomb", [JPEG_BOMB, WEBP_BOMB, PNG_BOMB])
async def test_a_bomb_is_refused_by_its_header(bomb):
    tools = PillowPictureTools()

    for act in (tools.inspect, tools.thumbnail):
        with pytest.raises(InvalidImage) as refused:
            await act(bomb)
        assert refused.value.details == {"reason": "too_many_pixels"}


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
async def test_a_side_longer_than_a_jpeg_may_have_is_too_many_pixels(size):
    tools, (width, height) = PillowPictureTools(), size

    for act in (tools.inspect, tools.thumbnail, tools.verify, tools.upright):
        with pytest.raises(InvalidImage) as refused:
            await act(png(header(width, height)))
        assert refused.value.details == {"reason": "too_many_pixels"}
    assert (await tools.inspect(png(header(min(width, 65_535), min(height, 65_535))))).mime_type == "image/png"


@on_linux
def test_bombs_take_no_memory():
    """In a process of its own, where the peak is only theirs: less than 64 MiB more than a small picture takes."""
    script = f"""{PEAK}
import asyncio, sys
sys.path.insert(0, {str(__file__).rpartition("/")[0]!r})
from test_pillow_picture_tools import JPEG_BOMB, PNG_BOMB, SECOND_HEADER, SOUND, WEBP_BOMB, InvalidImage, PillowPictureTools
async def main():
    tools = PillowPictureTools()
    await tools.thumbnail(SOUND["png"])
    before = peak()
    for bomb in (JPEG_BOMB, PNG_BOMB, SECOND_HEADER, WEBP_BOMB):
        try:
            await tools.thumbnail(bomb)
        except InvalidImage:
            print("refused")
    print((peak() - before) // 1024)
asyncio.run(main())
"""

    lines = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert lines[:-1] == ["refused"] * 4
    assert int(lines[-1]) < 64


async def test_a_png_whose_second_header_disagrees_is_refused():
    with pytest.raises(InvalidImage):
        await PillowPictureTools().thumbnail(SECOND_HEADER)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
async def test_text_that_unpacks_to_a_flood_is_refused(kind):
    swollen = chunk(kind, b"Comment\0\0" + zlib.compress(bytes(20_000_000), 9))
    data = png(header(10, 10), swollen, chunk(b"IDAT", zlib.compress(bytes(310))), chunk(b"IEND", b""))

    with pytest.raises(InvalidImage):
        await PillowPictureTools().thumbnail(data)


async def test_many_texts_that_are_large_together_are_refused():
    texts = PngInfo()
    for nth in range(70):
        texts.add_text(f"text {nth}", "x" * 1_000_000, zip=True)

    with pytest.raises(InvalidImage):
        await PillowPictureTools().thumbnail(encoded("PNG", pnginfo=texts))


@pytest.mark.parametrize("filling", [b"\xff\xe0\x00\x02" * 2_000_000, b"\xff" * 8_000_000, bytes(8_000_000)])
async def test_a_jpeg_of_nothing_but_markers_is_given_up_early(filling):
    with pytest.raises(InvalidImage) as refused:
        await PillowPictureTools().inspect(b"\xff\xd8\xff\xe0\x00\x02" + filling)

    assert refused.value.details == {"reason": "truncated"}


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04" * 100, SOUND["png"]])
@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
async def test_of_a_file_that_is_two_things_only_the_picture_survives(name, tail):
    small = await PillowPictureTools().thumbnail(SOUND[name] + tail)

    assert max(opened(small).size) == 40
    assert tail not in small


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow says so and goes on
async def test_a_photo_with_garbled_exif_still_has_a_thumbnail():
    data = encoded("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbled")

    assert opened(await PillowPictureTools().thumbnail(data)).size == (40, 30)


async def test_a_photo_of_several_pictures_shows_its_first():
    data = encoded("MPO", (800, 600), save_all=True, append_images=[Image.new("RGB", (800, 600), "red")])
    tools = PillowPictureTools()

    assert (await tools.inspect(data)).mime_type == "image/jpeg"
    assert opened(await tools.thumbnail(data, longest_side=80)).size == (80, 60)


async def test_a_colour_profile_goes_along_when_it_is_small_and_fits():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tools = PillowPictureTools()

    kept = opened(await tools.thumbnail(encoded("JPEG", icc_profile=profile)))
    too_large = opened(await tools.thumbnail(encoded("JPEG", icc_profile=profile + bytes(100_000))))
    of_printing = opened(await tools.thumbnail(encoded("JPEG", mode="CMYK", icc_profile=profile)))

    assert profile == kept.info["icc_profile"]
    assert "icc_profile" not in too_large.info
    assert "icc_profile" not in of_printing.info


async def test_notes_and_places_in_a_photo_do_not_reach_the_thumbnail():
    data = encoded("JPEG", exif=exif(6), comment=b"taken at home", xmp=b"<x:xmpmeta>home</x:xmpmeta>")

    small = await PillowPictureTools().thumbnail(data)

    assert b"home" not in small
    assert "exif" not in opened(small).info


async def test_leaves_the_settings_of_pillow_as_they_are():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES

    await PillowPictureTools(max_pixels=10).inspect(encoded("PNG", (2, 2)))
    await PillowPictureTools().thumbnail(SOUND["jpeg"])

    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


async def test_the_event_loop_goes_on_while_a_thumbnail_is_made():
    data = encoded("PNG", (3000, 3000))
    call = asyncio.create_task(PillowPictureTools().thumbnail(data))

    turns = 0
    while not call.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10


@pytest.mark.parametrize("longest_side", [0, -1])
async def test_a_thumbnail_without_pixels_is_a_mistake_of_the_caller(longest_side):
    with pytest.raises(ValueError, match="at least one pixel"):
        await PillowPictureTools().thumbnail(SOUND["png"], longest_side=longest_side)


def test_pillow_is_imported_only_for_a_thumbnail():
    script = (
        "import sys, asyncio; from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools as Tools;"
        f"asyncio.run(Tools().inspect({SOUND['png']!r})); assert 'PIL' not in sys.modules;"
        f"asyncio.run(Tools().thumbnail({SOUND['png']!r})); assert 'PIL' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
