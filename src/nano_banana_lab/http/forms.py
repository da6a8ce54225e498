"""`multipart/form-data` (RFC 7578): what stands in a form, read in memory like every other body."""

import asyncio
from collections.abc import Iterator

import msgspec
from multipart import (  # type: ignore[import-untyped]  # ships no type information
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from nano_banana_lab.core.shared.errors import ValidationFailed

MAX_PARTS = 64
"""More than any route has a use for."""

LARGE_BYTES = 1_000_000
"""A body of this length or more is taken apart in a thread."""


class FormPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part. `filename` is None for what is no file; what type a part claims to have is not believed."""

    name: str
    data: bytes
    filename: str | None = None


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a form, in the order in which they were sent; what a browser sends for a file not chosen is left out."""

    parts: tuple[FormPart, ...] = ()

    def every(self, *names: str) -> list[FormPart]:
        """All parts with one of these names."""
        return [part for part in self.parts if part.name in names]

    def one(self, name: str) -> FormPart | None:
        """The part with this name. Raises `ValidationFailed` when there are several."""
        found = self.every(name)
        if len(found) > 1:
            raise ValidationFailed.of(name, "too_many", most=1)
        return found[0] if found else None


async def read_form(body: bytes, boundary: str) -> Form:
    """The form in this body. Raises `ValidationFailed` unless it is a whole one with at most 64 parts."""
    if len(body) < LARGE_BYTES:
        return _read(body, boundary)
    return await asyncio.to_thread(_read, body, boundary)


def _read(body: bytes, boundary: str) -> Form:
    try:
        with PushMultipartParser(
            boundary.encode("latin-1"), max_segment_count=MAX_PARTS, header_charset="latin-1"
        ) as parser:
            return Form(parts=tuple(part for part in _parts(parser, body) if part.filename != "" or part.data))
    except MultipartError as error:
        raise ValidationFailed.of("body", "invalid_form") from error


def _parts(parser: PushMultipartParser, body: bytes) -> Iterator[FormPart]:
    part: MultipartSegment | None = None
    content = b""
    for event in parser.parse(body):
        if isinstance(event, MultipartSegment):
            part, content = event, b""
        elif event is not None:
            content = event  # the body is parsed as a whole, so this is all of the part
        elif part is not None:
            yield FormPart(name=_utf8(part.name) or "", data=bytes(content), filename=_utf8(part.filename))


def _utf8(text: str | None) -> str | None:
    """Names are in UTF-8 (RFC 7578 section 5.1); a name in another charset costs only its own letters."""
    return text and text.encode("latin-1").decode(errors="replace")
