"""The pictures that are kept: list, look, download, delete."""

import asyncio
import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.find_pictures import FindPictures, HistoryPage, HistoryQuery
from nano_banana_lab.core.history.grounding import Grounding
from nano_banana_lab.core.history.picture import ImageNotFound, Mode, Picture
from nano_banana_lab.core.history.statistics import Statistics
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, read_blob
from nano_banana_lab.http import examples
from nano_banana_lab.http.cursor import Cursors
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Language, Sentence, say
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.scopes import NEEDS_MANAGE, NEEDS_READ
from nano_banana_lab.http.timestamps import Timestamp, parse_time, rfc3339

A_TIME = {"anyOf": [{"format": "date-time"}, {"format": "date"}, {"maxLength": 0}]}

DELETED_ONE = Sentence("Deleted 1 picture.")
DELETED = Sentence("Deleted {count} pictures.")


class ModeFilter(StrEnum):
    """A mode, or empty for all but uploads."""

    ANY = ""
    BASIC = Mode.BASIC
    CHAT = Mode.CHAT
    BATCH = Mode.BATCH
    BLEND = Mode.BLEND
    STYLE = Mode.STYLE
    SEARCH = Mode.SEARCH
    UPLOAD = Mode.UPLOAD


class Sort(StrEnum):
    """By time."""

    NEWEST = "newest"
    OLDEST = "oldest"


class ItemSettings(msgspec.Struct, kw_only=True):
    """What was asked for."""

    aspect_ratio: str
    resolution: str


class HistoryItem(msgspec.Struct, kw_only=True):
    """A kept picture. `duration` in seconds, sizes in pixels and bytes; `r2_key` is its name in the blob store.

    Of an upload, `prompt` is the file's name and `settings` are what its size comes closest to.
    """

    id: str
    filename: str
    prompt: str
    mode: Mode
    settings: ItemSettings
    duration: float
    created_at: Timestamp
    url: str
    r2_key: str
    text_response: str | None
    thinking: str | None
    session_id: str | None
    thumbnail_url: str
    width: int
    height: int
    size_bytes: int
    mime_type: str
    model: str
    cost_usd: float
    grounding: Grounding | None


class HistoryList(msgspec.Struct, kw_only=True):
    """A page; `total` is how many match in all, `next_cursor` continues behind this page however many are added."""

    items: list[HistoryItem]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None


class HistoryDetail(msgspec.Struct, kw_only=True):
    """One picture; `image_base64` only when asked for."""

    item: HistoryItem
    image_url: str
    image_base64: str | None = None


class StatisticsBody(msgspec.Struct, kw_only=True):
    """Sums over the caller's generated pictures; durations in seconds, sizes in bytes."""

    total_images: int
    images_by_mode: dict[str, int]
    total_duration: float
    average_duration: float
    earliest_date: Timestamp | None
    latest_date: Timestamp | None
    total_cost_usd: float
    total_bytes: int


class DeleteBody(msgspec.Struct, kw_only=True):
    """Which pictures to delete."""

    ids: Annotated[
        list[str],
        msgspec.Meta(min_length=1, max_length=100, examples=[["0f8d1c6d5c7c4b2a9e3f1a2b3c4d5e6f"]]),
    ]


class Deleted(msgspec.Struct, kw_only=True):
    """How many were there and are gone."""

    success: bool
    deleted_count: int
    message: str


@dataclass(frozen=True, kw_only=True)
class HistoryView:
    """Turns records into what clients see."""

    urls: PictureUrls
    cursors: Cursors

    def page(self, found: HistoryPage, query: HistoryQuery, sort: Sort) -> HistoryList:
        """The page with the cursor to the next one."""
        return HistoryList(
            items=[self.item(picture) for picture in found.pictures],
            total=found.total,
            limit=query.limit,
            offset=query.offset,
            has_more=found.has_more,
            next_cursor=self.cursors.issue(found.last, sort=sort) if found.last else None,
        )

    def item(self, picture: Picture) -> HistoryItem:
        """The record with its addresses."""
        return HistoryItem(
            id=picture.id,
            filename=picture.filename,
            prompt=picture.prompt,
            mode=picture.mode,
            settings=ItemSettings(aspect_ratio=picture.aspect_ratio, resolution=picture.resolution),
            duration=picture.duration,
            created_at=rfc3339(picture.created_at),
            url=self.urls.of(picture),
            r2_key=picture.key,
            text_response=picture.text_response,
            thinking=picture.thinking,
            session_id=picture.session_id,
            thumbnail_url=self.urls.thumbnail(picture),
            width=picture.width,
            height=picture.height,
            size_bytes=picture.size_bytes,
            mime_type=picture.mime_type,
            model=picture.model,
            cost_usd=picture.cost_usd,
            grounding=picture.grounding,
        )


class HistoryController(Controller):
    """Records of pictures."""

    path = "/api/history"
    tags = ("History",)

    @get(
        opt=NEEDS_READ,
        summary="List pictures",
        responses=answer(HistoryList, "A page of pictures", examples.HISTORY)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def list_pictures(
        self,
        caller: NamedDependency[Caller],
        find: FromDishka[FindPictures],
        view: FromDishka[HistoryView],
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
        offset: Annotated[int, QueryParameter(ge=0, le=1_000_000_000)] = 0,
        mode: Annotated[
            ModeFilter, QueryParameter(description="One mode; without it all but uploads.")
        ] = ModeFilter.ANY,
        search: Annotated[str, QueryParameter(max_length=2000, description="Part of the prompt, case ignored.")] = "",
        sort: FromQuery[Sort] = Sort.NEWEST,
        date_from: Annotated[
            str | None, QueryParameter(description="RFC 3339 time or date, inclusive.", schema_extra=A_TIME)
        ] = None,
        date_to: Annotated[
            str | None, QueryParameter(description="RFC 3339 time or date, exclusive.", schema_extra=A_TIME)
        ] = None,
        cursor: Annotated[str | None, QueryParameter(description="`next_cursor` of an earlier page.")] = None,
    ) -> HistoryList:
        """With `cursor` every picture is shown exactly once, whatever is added or deleted between two pages."""
        query = HistoryQuery(
            owner=caller.owner,
            mode=Mode(mode) if mode else None,
            search=search.strip() or None,
            newest_first=sort is Sort.NEWEST,
            date_from=parse_time(date_from, field="date_from"),
            date_to=parse_time(date_to, field="date_to"),
            after=view.cursors.read(cursor, sort=sort) if cursor else None,
            offset=offset,
            limit=limit,
        )
        return view.page(await find(query), query, sort)

    @get(
        "/stats",
        opt=NEEDS_READ,
        summary="Sums over all pictures",
        responses=answer(StatisticsBody, "The sums", examples.STATISTICS)
        | problems("service_unavailable", "internal_error"),
    )
    async def stats(self, caller: NamedDependency[Caller], statistics: FromDishka[Statistics]) -> StatisticsBody:
        """Kept exactly with every picture that comes and goes, so it is as quick for a million as for ten."""
        found = await statistics(caller.owner)
        return StatisticsBody(
            total_images=found.total_images,
            images_by_mode=dict(found.images_by_mode),
            total_duration=found.total_duration,
            average_duration=found.average_duration,
            earliest_date=rfc3339(found.earliest_date) if found.earliest_date else None,
            latest_date=rfc3339(found.latest_date) if found.latest_date else None,
            total_cost_usd=found.total_cost_usd,
            total_bytes=found.total_bytes,
        )

    @get(
        "/{picture_id:str}",
        opt=NEEDS_READ,
        summary="One picture's record",
        responses=answer(HistoryDetail, "The record", examples.DETAIL)
        | problems("image_not_found", "validation_error", "service_unavailable", "internal_error"),
    )
    async def detail(
        self,
        picture_id: FromPath[str],
        caller: NamedDependency[Caller],
        find: FromDishka[FindPictures],
        view: FromDishka[HistoryView],
        blobs: FromDishka[BlobStore],
        include_image: FromQuery[bool] = False,  # noqa: FBT002  a query parameter has no position
    ) -> HistoryDetail:
        """With `include_image=true` the bytes come along in base64."""
        picture = await find.one(caller.owner, picture_id)
        encoded = await _base64(blobs, picture) if include_image else None
        return HistoryDetail(item=view.item(picture), image_url=view.urls.of(picture), image_base64=encoded)

    @delete(
        "/{picture_id:str}",
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Delete one picture",
        responses=answer(Deleted, "It is gone", examples.DELETED)
        | problems("image_not_found", "service_unavailable", "internal_error"),
    )
    async def delete_one(
        self,
        request: LabRequest,
        picture_id: FromPath[str],
        caller: NamedDependency[Caller],
        delete_pictures: FromDishka[DeletePictures],
    ) -> Response[Deleted]:
        """Record, picture and thumbnail are gone for good."""
        if not await delete_pictures(caller.owner, [picture_id]):
            raise ImageNotFound
        return _deleted(1, language_of(request))

    @delete(
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Delete up to 100 pictures",
        responses=answer(Deleted, "They are gone", examples.DELETED)
        | problems(
            "validation_error",
            "unsupported_media_type",
            "payload_too_large",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def delete_many(
        self,
        request: LabRequest,
        data: JSONBody[DeleteBody],
        caller: NamedDependency[Caller],
        delete_pictures: FromDishka[DeletePictures],
    ) -> Response[Deleted]:
        """Ids that the caller does not have are passed over; `deleted_count` says how many were there."""
        return _deleted(await delete_pictures(caller.owner, data.ids), language_of(request))


async def _base64(blobs: BlobStore, picture: Picture) -> str:
    try:
        data = await read_blob(blobs, picture.key)
    except BlobNotFound as error:
        raise ImageNotFound from error
    return (await asyncio.to_thread(base64.b64encode, data)).decode()


def _deleted(count: int, language: Language) -> Response[Deleted]:
    message = say(DELETED_ONE if count == 1 else DELETED, language, count=count)
    return in_language(language, Deleted(success=True, deleted_count=count, message=message))
