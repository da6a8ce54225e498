"""Hostile uploads: what is small and asks for a lot, and what is damaged in every way."""

import struct
import subprocess
import sys
import threading
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import get_sampling
from tests.adapters.test_pillow_picture_tools import PEAK, SOUND, chunk, encoded, exif, header, on_linux, opened, png

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

END = chunk(b"IDAT", zlib.compress(bytes(310))) + chunk(b"IEND", b"")
UNPACKING = zlib.compress(b"\xff" * 1_000_000, 9)


def jpeg(width: int, height: int, *scans: bytes, frame: int = 0xC2) -> bytes:
    """Grey; every code of both tables is one bit that means nothing, so a byte of zeros paints eight blocks."""
    tables = b"\xff\xdb" + struct.pack(">HB", 67, 0) + b"\1" * 64
    codes = b"".join(b"\xff\xc4" + struct.pack(">HB", 20, kind) + b"\1" + bytes(16) for kind in (0x00, 0x10))
    size = bytes((0xFF, frame)) + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + tables + size + codes + b"".join(scans) + b"\xff\xd9"


def scan(first: int, last: int, pixels: bytes = b"") -> bytes:
    return b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\1\0" + bytes((first, last, 0)) + pixels


def webp(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def canvas(width: int, height: int, flags: int = 0) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X" + struct.pack("<IB3x", 10, flags) + sides


def frames(count: int) -> bytes:
    still = encoded("WEBP", (1, 1))[12:]
    content = bytes(16) + still
    return b"ANIM\x06\0\0\0" + bytes(6) + (b"ANMF" + struct.pack("<I", len(content)) + content) * count


BOMBS = {
    "a packed text": png(header(10, 10), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000))), END),
    "packed texts": png(header(10, 10), *[chunk(b"iTXt", b"k\0\1\0\0\0" + UNPACKING)] * 500, END),
    "packed profiles": png(header(10, 10), *[chunk(b"iCCP", b"k\0\0" + UNPACKING)] * 500, END),
    "chunks without end": png(header(10, 10), *[chunk(b"IDAT", b"")] * 100_000, END),
    "hardly any pixels in a png": png(header(7000, 7000), END),
    "16 bits of nothing": png(
        chunk(b"IHDR", struct.pack(">IIBBBBB", 7000, 7000, 16, 6, 0, 0, 1)),
        chunk(b"IDAT", zlib.compress(bytes(40_000_000), 9)),
        chunk(b"IEND", b""),
    ),
    "hardly any pixels in a jpeg": jpeg(7000, 7000, scan(0, 0), scan(1, 63)),
    "many scans": jpeg(800, 800, scan(0, 0, bytes(1300)), *[scan(1, 63)] * 64),
    "scans of many pixels": jpeg(7000, 7000, scan(0, 0, bytes(100_000)), *[scan(1, 63)] * 30),
    "segments without end": b"\xff\xd8" + b"\xff\xe0\0\2" * 5000 + SOUND["jpeg"][2:],
    "pictures without end": SOUND["jpeg"] * 100,
    "fill bytes without end": jpeg(800, 800, scan(0, 63, b"\xff" * 5_000_000), frame=0xC0),
    "arithmetic codes": jpeg(800, 800, scan(0, 63, bytes(1300)), frame=0xC9),
    "a canvas without a picture": webp(canvas(7000, 7000)),
    "a canvas larger than its picture": webp(canvas(7000, 7000), encoded("WEBP", (1, 1))[12:]),
    "a large picture of one colour": webp(b"VP8L\x06\0\0\0\x2f" + struct.pack("<I", 6999 | 6999 << 14) + b"\0"),
    "a large picture that nobody can unpack cheaply": webp(
        b"VP8L" + struct.pack("<I", 100_006) + b"\x2f" + struct.pack("<I", 5000 | 5000 << 14) + b"\0" + bytes(100_000)
    ),
    "frames without end": webp(canvas(60, 60, 2), frames(10_000)),
    "frames within frames": webp(
        canvas(1, 1, 2), b"ANMF" + struct.pack("<I", 8016) + bytes(16) + b"zzzz\0\0\0\0" * 1000
    ),
}


async def reason_of(data: bytes) -> str:
    with pytest.raises(InvalidImage) as refused:
        await PillowPictureTools().verify(data)
    return refused.value.details["reason"]


@pytest.mark.parametrize("name", BOMBS)
async def test_what_asks_for_much_more_than_it_brings_is_refused(name):
    assert await reason_of(BOMBS[name]) in {"truncated", "too_many_pixels", "unsupported_format", "something_else_too"}


@on_linux
def test_bombs_take_no_memory():
    """In a process of its own, where the peak is only theirs: less than 64 MiB more than a small picture takes."""
    script = f"""{PEAK}
import asyncio
from tests.adapters.test_pillow_picture_tools_uploads import BOMBS, SOUND, InvalidImage, PillowPictureTools
async def main():
    tools = PillowPictureTools()
    await tools.verify(SOUND["webp"])
    before, refused = peak(), 0
    for bomb in BOMBS.values():
        try:
            await tools.verify(bomb)
        except InvalidImage:
            refused += 1
    print(refused, (peak() - before) // 1024)
asyncio.run(main())
"""

    root = str(__file__).rpartition("/tests/")[0]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)

    refused, mebibytes = map(int, done.stdout.split())
    assert len(BOMBS) == refused
    assert mebibytes < 64


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of oddities and goes on, as in production
@settings(max_examples=500, deadline=None)
@given(
    name=st.sampled_from(sorted(SOUND)),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), max_size=6),
    keep=st.one_of(st.just(1.0), st.floats(0.01, 1)),
    tail=st.sampled_from([b"", b"\0\0", b"SEFT", b"\0\0\0\x18ftypmp42", SOUND["jpeg"]]),
)
async def test_a_damaged_file_is_sound_or_an_invalid_image_and_nothing_else(name, edits, keep, tail):
    data = bytearray(SOUND[name])
    for position, replacement in edits:
        at = position % len(data)
        data[at : at + len(replacement)] = replacement
    tools, file = PillowPictureTools(max_pixels=1_000_000, threads=1), bytes(data[: int(len(data) * keep)]) + tail

    with suppress(InvalidImage):
        assert await tools.verify(file) == await tools.inspect(file)
    with suppress(InvalidImage):
        copy = await tools.upright(file)
        assert copy is file or await tools.verify(copy)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of oddities and goes on, as in production
@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.sampled_from([b"PLTE", b"tRNS", b"iCCP", b"gAMA", b"cHRM", b"acTL", b"fcTL", b"eXIf", b"IDAT"])),
    content=st.one_of(st.binary(max_size=40), st.just(exif(6).tobytes()[6:])),
    start=st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 8, 16]), st.integers(0, 6)),
)
async def test_a_png_of_odd_chunks_with_right_checksums_is_sound_or_an_invalid_image(kinds, content, start):
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", *start, 0, 0, 0))
    file, tools = png(first, *(chunk(kind, content) for kind in kinds), END), PillowPictureTools(threads=1)

    with suppress(InvalidImage):
        assert await tools.verify(file) == await tools.inspect(file)
    with suppress(InvalidImage):
        assert await tools.upright(file)


@pytest.mark.parametrize("content", [b"", b"\0", b"\1\0"])
async def test_a_scan_with_a_header_too_short_is_truncated(content):
    broken = b"\xff\xda" + struct.pack(">H", len(content) + 2) + content

    assert await reason_of(jpeg(80, 80, broken, scan(0, 63, bytes(100)))) == "truncated"


async def test_garbled_exif_does_not_spoil_a_photo():
    data = encoded("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbled")
    tools = PillowPictureTools()

    assert (await tools.verify(data)).width == 40
    assert await tools.upright(data) is data


async def test_exif_that_unpacks_to_a_flood_is_not_unpacked():
    """Thousands of tags that each claim all of the bytes there are."""
    tags = b"".join(struct.pack("<HHII", nth, 7, 60_000, 8) for nth in range(0x200, 0x200 + 4_500))
    flood = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 4_500) + tags + bytes(6_000)
    data = encoded("JPEG", exif=flood)
    tools = PillowPictureTools()

    assert (await tools.verify(data)).width == 40
    assert await tools.upright(data) is data


async def test_notes_and_places_in_a_photo_do_not_reach_its_turned_copy():
    data = encoded("JPEG", exif=exif(6), comment=b"taken at home", xmp=b"<x:xmpmeta>home</x:xmpmeta>")

    copy = await PillowPictureTools().upright(data)

    assert b"home" not in copy
    assert "exif" not in opened(copy).info


@pytest.mark.parametrize(("sampling", "expected"), [("4:4:4", 0), ("4:2:2", 0), ("4:2:0", 2)])
async def test_a_turned_photo_keeps_at_least_the_colours_it_had(sampling, expected):
    photo = encoded("JPEG", exif=exif(6), subsampling=sampling)

    assert expected == get_sampling(opened(await PillowPictureTools().upright(photo)))


async def test_a_photo_of_several_pictures_is_turned_as_its_first():
    red = Image.new("RGB", (80, 60), "red")
    data = encoded("MPO", (80, 60), exif=exif(6), save_all=True, append_images=[red])

    assert opened(await PillowPictureTools().upright(data)).size == (60, 80)


async def test_uploads_do_not_wait_for_thumbnails():
    tools, thumbnails_may_go_on = PillowPictureTools(threads=1), threading.Event()
    tools._threads.submit(thumbnails_may_go_on.wait)

    facts = await tools.verify(SOUND["jpeg"])

    thumbnails_may_go_on.set()
    assert facts.width == 40


async def test_leaves_the_settings_of_pillow_as_they_are():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES

    await PillowPictureTools().verify(SOUND["jpeg"])
    await PillowPictureTools().upright(SOUND["png"])

    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_pillow_is_imported_only_for_pixels():
    data = encoded("PNG")
    script = (
        "import sys, asyncio; from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools as Tools;"
        f"asyncio.run(Tools().upright({data!r})); assert 'PIL' not in sys.modules;"
        f"asyncio.run(Tools().verify({data!r})); assert 'PIL' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
