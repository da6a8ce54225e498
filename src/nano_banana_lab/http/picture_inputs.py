"""Pictures in a request: named by their key, written into JSON, or sent as files of a form."""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from typing import Annotated

import msgspec

from nano_banana_lab.core.generation.input_pictures import InputPicture, SentPicture, StoredPicture
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http.forms import LARGE_BYTES, FormPart

_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")


class PictureEntry(msgspec.Struct, kw_only=True):
    """A picture: either one that you have in the lab, by its `key`, or its bytes as `data`."""

    key: Annotated[
        str | None, msgspec.Meta(description="The `key` of a picture of yours, made here or uploaded before.")
    ] = None
    data: Annotated[
        str | None,
        msgspec.Meta(
            description=(
                "A PNG, JPEG or WebP of up to 20 MiB in base64 (RFC 4648, standard or URL-safe, padded or not), "
                "or a data URL with it (RFC 2397)."
            )
        ),
    ] = None
    mime_type: Annotated[
        str | None, msgspec.Meta(description="Not needed and not believed: the bytes say what they are.")
    ] = None


async def picture_of(entry: PictureEntry, *, field: str) -> InputPicture:
    """What the entry names or holds. Raises `ValidationFailed` naming `field`."""
    if entry.key is not None and entry.data is None:
        return StoredPicture(key=entry.key, field=field)
    if entry.data is not None and entry.key is None:
        return SentPicture(data=await _from_base64(entry.data, field), field=field)
    raise ValidationFailed.of(field, "one_of", choices="key, data")


async def pictures_of(entries: Sequence[PictureEntry], *, field: str) -> list[InputPicture]:
    """What the entries of the list `field` name or hold, in order. Raises `ValidationFailed` naming the entry."""
    return [await picture_of(entry, field=f"{field}.{number}") for number, entry in enumerate(entries)]


def pictures_by_key(keys: Sequence[str], *, field: str) -> list[InputPicture]:
    """The pictures with these keys, in order; `field` is the name of the list."""
    return [StoredPicture(key=key, field=f"{field}.{number}") for number, key in enumerate(keys)]


def pictures_in(parts: Sequence[FormPart], *, field: str, after: int) -> list[InputPicture]:
    """The files of a form, in order, as if they followed `after` entries of the list `field`."""
    return [SentPicture(data=part.data, field=f"{field}.{number}") for number, part in enumerate(parts, start=after)]


async def _from_base64(text: str, field: str) -> bytes:
    try:
        return await asyncio.to_thread(decode_picture, text) if len(text) >= LARGE_BYTES else decode_picture(text)
    except ValueError as error:
        raise ValidationFailed.of(field, "bad_base64") from error


def decode_picture(text: str) -> bytes:
    """The bytes that base64, or a data URL with base64, stands for.

    Strictly: one alphabet (RFC 4648 sections 4 and 5), the right padding or none, and nothing else but line breaks,
    which many tools put in (RFC 2045). Raises ValueError.
    """
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not (comma and head.lower().endswith(";base64")):
            raise ValueError("a data URL without base64")
    encoded = text.encode("ascii").translate(None, b"\r\n")
    if b"-" in encoded or b"_" in encoded:
        if b"+" in encoded or b"/" in encoded:
            raise ValueError("two alphabets at once")
        encoded = encoded.translate(_STANDARD_ALPHABET)
    if b"=" not in encoded:
        encoded += b"=" * (-len(encoded) % 4)
    elif len(encoded) % 4 or encoded.endswith(b"==="):
        raise binascii.Error("wrong padding")
    return base64.b64decode(encoded, validate=True)
