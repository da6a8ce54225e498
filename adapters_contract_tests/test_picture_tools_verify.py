"""What every `PictureTools` promises about files from outside: pictures whole and nothing else besides."""

import io
import struct
import zipfile
import zlib

import pytest
from adapters_contract_tests.test_picture_tools import FORMATS, SIZE, facts_of, picture, png_claiming
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

XMP = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\0\0\0\x0cmoovabcd" + b"\0\0\0\x0cmdat\x01\x02\x03\x04"
MANIFEST = b"\0\0\0\x38jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0" + b"\xa2" * 200


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("index.html", "hello")
    return file.getvalue()


OTHER_KINDS = {
    "zip": archive(),
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "page": b"<!DOCTYPE html><html><body>hello there</body></html>",
    "script": b"<script>alert(1)</script>",
    "drawing": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    "php": b"<?php system($_GET['c']); __HALT_COMPILER(); ?>",
    "program": b"\x7fELF\x02\x01\x01" + bytes(60),
    "rar": b"Rar!\x1a\x07\x01\x00" + bytes(20),
    "seven zip": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(20),
}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def with_part(format: str, content: bytes, *, text: bool = False) -> bytes:
    """A sound picture with a note, or with a part no reader needs to know."""
    data = picture(format, exif=Image.Exif())
    if format == "PNG":
        return data[:33] + (chunk(b"tEXt", b"Comment\0" + content) if text else chunk(b"zzZz", content)) + data[33:]
    if format == "JPEG":
        return data[:2] + segment(0xFE if text else 0xE9, content) + data[2:]
    more = data[12:] + riff_chunk(b"NOTE", content)
    return b"RIFF" + struct.pack("<I", len(more) + 4) + b"WEBP" + more


def samsung_notes(content: bytes) -> bytes:
    block = struct.pack("<HHI", 0, 0x0A30, 16) + b"MotionPhoto_Data" + content
    directory = b"SEFH" + struct.pack("<II", 106, 1) + struct.pack("<HHII", 0, 0x0A30, len(block), len(block))
    return block + directory + struct.pack("<I", len(directory)) + b"SEFT"


class VerifyContract:
    """The promises. A subclass says how to make tools with given limits, in pixels and bytes."""

    def make_tools(self, *, max_pixels: int = 50_000_000, max_bytes: int = 20 * 1024 * 1024):
        raise NotImplementedError

    @pytest.fixture
    def tools(self):
        return self.make_tools()

    async def refused(self, tools, data: bytes) -> str:
        with pytest.raises(InvalidImage) as refused:
            await tools.verify(data)
        return refused.value.details["reason"]

    @pytest.mark.parametrize("format", FORMATS)
    async def test_tells_type_and_size_of_a_sound_picture(self, tools, format):
        data = picture(format, SIZE)

        assert facts_of(format) == await tools.verify(data) == await tools.inspect(data)

    @pytest.mark.parametrize(
        ("format", "options"),
        [
            ("PNG", {"mode": "P"}),
            ("PNG", {"mode": "1"}),
            ("PNG", {"mode": "I;16"}),
            ("PNG", {"mode": "RGBA"}),
            ("JPEG", {"mode": "L"}),
            ("JPEG", {"mode": "CMYK"}),
            ("JPEG", {"progressive": True}),
            ("JPEG", {"quality": 100, "subsampling": 0}),
            ("JPEG", {"restart_marker_blocks": 1}),
            ("WEBP", {"lossless": True}),
            ("WEBP", {"mode": "RGBA"}),
        ],
    )
    async def test_every_ordinary_kind_of_picture_is_sound(self, tools, format, options):
        assert facts_of(format) == await tools.verify(picture(format, SIZE, **options))

    @pytest.mark.parametrize("size", [(1, 1), (7, 3), (8, 8), (17, 33)])
    @pytest.mark.parametrize("format", FORMATS)
    async def test_small_pictures_are_sound(self, tools, format, size):
        assert facts_of(format, size) == await tools.verify(picture(format, size))

    @pytest.mark.parametrize("format", FORMATS)
    async def test_notes_of_cameras_and_editors_do_no_harm(self, tools, format):
        exif = Image.Exif()
        exif[0x010F] = "A camera"
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": texts} if format == "PNG" else {"xmp": XMP}

        assert await tools.verify(picture(format, exif=exif, icc_profile=PROFILE, **options))

    @pytest.mark.parametrize(("format", "kind"), [("PNG", "caBX"), ("JPEG", 0xEB), ("WEBP", "C2PA")])
    async def test_a_signed_picture_is_sound(self, tools, format, kind):
        data, manifest = picture(format, exif=Image.Exif()), MANIFEST
        if format == "PNG":
            data = data[:33] + chunk(kind.encode(), manifest) + data[33:]
        elif format == "JPEG":
            data = data[:2] + segment(kind, b"JP\0\x01\0\0\0\x01" + manifest) + data[2:]
        else:
            more = data[12:] + riff_chunk(kind.encode(), manifest)
            data = b"RIFF" + struct.pack("<I", len(more) + 4) + b"WEBP" + more

        assert await tools.verify(data)

    @pytest.mark.parametrize("format", ["PNG", "WEBP"])
    async def test_an_animation_is_sound(self, tools, format):
        frames = [Image.new("RGB", (60, 60), colour) for colour in ("blue", "green")]

        assert await tools.verify(picture(format, (60, 60), save_all=True, append_images=frames, duration=100))

    async def test_a_photo_of_several_pictures_is_sound(self, tools):
        assert await tools.verify(picture("MPO", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")]))

    @pytest.mark.parametrize(
        "appendix", [bytes(5000), MP4, bytes(3) + MP4, samsung_notes(MP4), picture("JPEG"), bytes(9) + picture("JPEG")]
    )
    async def test_what_phones_put_behind_a_photo_does_no_harm(self, tools, appendix):
        assert await tools.verify(picture("JPEG") + appendix)

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("kind", OTHER_KINDS)
    async def test_another_kind_of_file_behind_a_picture_is_refused(self, tools, format, kind):
        for between in (b"", bytes(100)):
            assert await self.refused(tools, picture(format) + between + OTHER_KINDS[kind]) == "something_else_too"

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("text", [True, False])
    @pytest.mark.parametrize("kind", OTHER_KINDS)
    async def test_another_kind_of_file_within_a_picture_is_refused(self, tools, format, text, kind):
        assert await self.refused(tools, with_part(format, OTHER_KINDS[kind], text=text)) == "something_else_too"

    @pytest.mark.parametrize("format", FORMATS)
    async def test_an_ordinary_note_within_a_picture_does_no_harm(self, tools, format):
        assert await tools.verify(with_part(format, b"A cat < a dog, taken at 50% zoom; PKW & MZ", text=True))

    @pytest.mark.parametrize("kind", OTHER_KINDS)
    async def test_another_kind_of_file_within_a_film_or_notes_of_a_phone_is_refused(self, tools, kind):
        content = OTHER_KINDS[kind]
        film = MP4 + struct.pack(">I", len(content) + 8) + b"mdat" + content

        for appendix in (film, samsung_notes(content)):
            assert await self.refused(tools, picture("JPEG") + appendix) == "something_else_too"

    @pytest.mark.parametrize("format", FORMATS)
    async def test_unknown_data_behind_a_picture_is_refused(self, tools, format):
        assert await self.refused(tools, picture(format) + b"something unknown") == "something_else_too"

    async def test_a_jpeg_that_opens_a_comment_of_javascript_is_refused(self, tools):
        data = picture("JPEG")
        script = b"JFIF\0" + bytes(20) + b"*/=1;alert(1);/*"
        opening = b"\xff\xd8\xff\xe0/*" + script.ljust(0x2F2A - 2, b"\0")

        assert await self.refused(tools, opening + data[20:]) == "something_else_too"

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("left", [0.3, 0.7, 0.99])
    async def test_a_file_cut_short_is_truncated(self, tools, format, left):
        data = picture(format, (800, 600), quality=100)

        assert await self.refused(tools, data[: int(len(data) * left)]) == "truncated"

    async def test_a_jpeg_whose_pixels_end_early_is_truncated_though_its_end_is_marked(self, tools):
        data = picture("JPEG", (800, 600), quality=100)

        for left in (0.5, 0.9, 0.99):
            assert await self.refused(tools, data[: int(len(data) * left)] + b"\xff\xd9") == "truncated"

    async def test_a_progressive_jpeg_that_lacks_its_last_scans_is_truncated(self, tools):
        data = picture("JPEG", (800, 600), quality=100, progressive=True)
        last = data.rindex(b"\xff\xda")

        assert await self.refused(tools, data[:last] + b"\xff\xd9") == "truncated"

    async def test_a_png_with_one_wrong_bit_is_truncated(self, tools):
        data = picture("PNG", (800, 600))
        damaged = bytearray(data)
        damaged[len(data) // 2] ^= 1

        assert await self.refused(tools, bytes(damaged)) == "truncated"

    async def test_limits_come_first(self):
        data = picture(size=(100, 101))

        assert await self.refused(self.make_tools(max_pixels=10_000), data) == "too_many_pixels"
        assert await self.refused(self.make_tools(max_bytes=len(data) - 1), data) == "too_many_bytes"
        assert await self.refused(self.make_tools(), png_claiming(2**31 - 1, 2**31 - 1)) == "too_many_pixels"


class TestPillowPictureTools(VerifyContract):
    def make_tools(self, **limits):
        return PillowPictureTools(**limits)
