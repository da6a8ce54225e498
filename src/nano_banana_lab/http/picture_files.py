"""The bytes of kept pictures: whole, in part, small, or not at all when the client has them already."""

import re
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.history.thumbnail import THUMBNAIL_MIME_TYPE, Thumbnail
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobReader, BlobStore
from nano_banana_lab.http.errors import RangeNotSatisfiable
from nano_banana_lab.http.openapi import problems
from nano_banana_lab.http.rate_limit import UNLIMITED
from nano_banana_lab.http.scopes import NEEDS_READ

FOREVER = "private, max-age=31536000, immutable"
"""A picture never changes; it is only ever deleted."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Size(StrEnum):
    """`thumb` is a WebP whose longest side is 512 pixels."""

    ORIGINAL = ""
    THUMB = "thumb"


class PictureFilesController(Controller):
    """Files of pictures."""

    path = "/api/history/{picture_id:str}/image"
    tags = ("History",)
    opt = UNLIMITED

    @get(
        opt=NEEDS_READ,
        summary="A picture's bytes",
        responses={
            200: ResponseSpec(bytes, description="The whole picture", media_type="image/*", generate_examples=False),
            206: ResponseSpec(bytes, description="Part of the picture", media_type="image/*", generate_examples=False),
            304: ResponseSpec(None, description="The client's copy is current"),
            **problems(
                "image_not_found",
                "invalid_image",
                "validation_error",
                "range_not_satisfiable",
                "service_unavailable",
                "internal_error",
            ),
        },
    )
    async def image(
        self,
        request: Request[Any, Any, Any],
        picture_id: FromPath[str],
        caller: NamedDependency[Caller],
        find: FromDishka[FindPictures],
        blobs: FromDishka[BlobStore],
        thumbnail: FromDishka[Thumbnail],
        size: FromQuery[Size] = Size.ORIGINAL,
        download: FromQuery[bool] = False,  # noqa: FBT002  a query parameter has no position
    ) -> Response[Any]:
        """Exactly as the model made them, metadata included; `ETag`, `Range` and `If-None-Match` are understood."""
        picture = await find.one(caller.owner, picture_id)
        headers = _headers(picture, size, download=download)
        if _has_current_copy(request, headers["ETag"]):
            return Response(b"", status_code=304, headers=headers, media_type=_mime_type(picture, size))
        if size is Size.THUMB:
            return Response(await thumbnail(picture), headers=headers, media_type=THUMBNAIL_MIME_TYPE)
        return await _original(request, picture, blobs, headers)


async def _original(
    request: Request[Any, Any, Any], picture: Picture, blobs: BlobStore, headers: dict[str, str]
) -> Response[Any]:
    span = _requested_span(request, headers["ETag"], picture.size_bytes)
    start, end = span or (0, picture.size_bytes)
    try:
        reader = await blobs.open(picture.key, start=start, end=end)
    except BlobNotFound as error:
        raise ImageNotFound from error
    headers |= {"Content-Length": str(end - start), "Accept-Ranges": "bytes"}
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{picture.size_bytes}"
    return Stream(_chunks(reader), status_code=206 if span else 200, headers=headers, media_type=picture.mime_type)


async def _chunks(reader: BlobReader) -> AsyncIterator[bytes]:
    try:
        async for chunk in reader:
            yield chunk
    finally:
        await reader.aclose()


def _headers(picture: Picture, size: Size, *, download: bool) -> dict[str, str]:
    etag = f'"{picture.sha256}-thumb"' if size is Size.THUMB else f'"{picture.sha256}"'
    headers = {"ETag": etag, "Cache-Control": FOREVER}
    if download:
        stem, _, suffix = picture.filename.rpartition(".")
        name = f"{stem}-thumb.webp" if size is Size.THUMB else f"{stem}.{suffix}"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return headers


def _mime_type(picture: Picture, size: Size) -> str:
    return THUMBNAIL_MIME_TYPE if size is Size.THUMB else picture.mime_type


def _has_current_copy(request: Request[Any, Any, Any], etag: str) -> bool:
    sent = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in sent or "*" in sent


def _requested_span(request: Request[Any, Any, Any], etag: str, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last (RFC 9110 section 14); None for the whole file.

    Several ranges, other units, or an `If-Range` for another version mean the whole file, as the RFC allows.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or found[0] == "bytes=-" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(size)
    return start, end
