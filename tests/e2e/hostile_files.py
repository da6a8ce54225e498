"""Files that somebody might send instead of a picture, each to be refused."""

import io
import struct
import zipfile
import zlib

from PIL import Image


def picture(format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A sound picture."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, format)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, *others: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    parts = (header, *others, chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = picture("JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def webp_claiming(side: int) -> bytes:
    canvas = b"VP8X" + struct.pack("<IB3x", 10, 0) + (side - 1).to_bytes(3, "little") * 2
    content = b"WEBP" + canvas + picture("WEBP", (1, 1))[12:]
    return b"RIFF" + struct.pack("<I", len(content)) + content


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("evil.html", "<script>alert(1)</script>")
    return file.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


PNG, JPEG, WEBP = picture("PNG"), picture("JPEG"), picture("WEBP")
ROWS = bytes(310)
SCRIPT = b"<script>alert(1)</script>"
PHP = b"<?php system($_GET['c']); __HALT_COMPILER(); ?>"
COMMENT = b"\xff\xfe" + struct.pack(">H", len(PHP) + 2) + PHP

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello " * 50,
    "a page": b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>",
    "a drawing": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>",
    "a drawing that reads files": b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>",
    "gif": picture("GIF"),
    "bmp": picture("BMP"),
    "tiff": picture("TIFF"),
    "icon": picture("ICO"),
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100),
    "avif": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + bytes(100),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "imagemagick": b"push graphic-context\nfill 'url(https://127.0.0.1/x.jpg\"|ls \"-la)'\npop graphic-context\n",
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "zip": archive(),
    "program": b"\x7fELF\x02\x01\x01" + bytes(200),
    "a signature alone": PNG[:8],
    "half a png": PNG[: len(PNG) // 2],
    "half a jpeg": JPEG[: len(JPEG) // 2],
    "half a webp": WEBP[: len(WEBP) // 2],
    "a png without pixels": png(10, 10, b""),
    "a png without any width": png(0, 10, b""),
    "a png with a flipped bit": flipped(PNG, PNG.index(b"IDAT") + 30),
    "a png with a wrong checksum": flipped(PNG, PNG.index(b"IDAT") - 5),
    "a png of ten thousand million pixels": png(100_000, 100_000, ROWS),
    "a png whose text unpacks to a flood": png(
        10, 10, ROWS, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000)))
    ),
    "a jpeg of four thousand million pixels": jpeg_claiming(65_000, 65_000),
    "a webp of 268 million pixels": webp_claiming(16_384),
    "a png and an archive": PNG + archive(),
    "a jpeg and a page": JPEG + b"<html>" + SCRIPT,
    "a webp and an archive": WEBP + archive(),
    "a jpeg with a program as its comment": JPEG[:2] + COMMENT + JPEG[2:],
    "a png with a program as its text": png(10, 10, ROWS, chunk(b"tEXt", b"Comment\0" + PHP)),
    "two pngs": PNG + PNG,
    "21 megabytes": png(10, 10, ROWS, chunk(b"tEXt", b"Comment\0" + b"a" * 22_000_000)),
}
