"""All pictures of a task in one file."""

import io
import zipfile
from collections.abc import AsyncIterator, Sequence

from dishka.integrations.litestar import FromDishka
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream

from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.http.openapi import problems
from nano_banana_lab.http.scopes import NEEDS_READ

ZIP = "application/zip"


class TaskPicturesController(Controller):
    """What came of a task, to take away."""

    path = "/api/generate/task/{task_id:str}/images.zip"
    tags = ("Tasks",)

    @get(
        opt=NEEDS_READ,
        summary="The pictures of a task as a ZIP file",
        responses={
            200: ResponseSpec(
                bytes, description="Every picture by its `filename`", media_type=ZIP, generate_examples=False
            ),
            **problems("task_not_found", "image_not_found", "service_unavailable", "internal_error"),
        },
    )
    async def images(
        self,
        task_id: FromPath[str],
        caller: NamedDependency[Caller],
        book: FromDishka[TaskBook],
        find: FromDishka[FindPictures],
        blobs: FromDishka[BlobStore],
    ) -> Stream:
        """Those that are there by now, byte for byte as the model made them, in the order of their prompts."""
        progress = await book.progress(caller.owner, task_id)
        ids = [item.picture_id for item in progress.items if item.picture_id]
        found = await find.many(caller.owner, ids)
        pictures = [found[each] for each in ids if each in found]
        if not pictures:
            raise ImageNotFound
        headers = {"Content-Disposition": f'attachment; filename="task-{task_id}.zip"'}
        return Stream(_zip(pictures, blobs), media_type=ZIP, headers=headers)


class _Outlet(io.RawIOBase):
    """Where the archive is written to, and read from bit by bit: it is never whole in memory."""

    def __init__(self) -> None:
        self._written = list[bytes]()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]  # what zipfile writes
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._written = b"".join(self._written), []
        return taken


async def _zip(pictures: Sequence[Picture], blobs: BlobStore) -> AsyncIterator[bytes]:
    """Stored, not compressed: pictures are. One that has just been deleted is left out."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w") as archive:
        for picture in pictures:
            try:
                reader = await blobs.open(picture.key)
            except BlobNotFound:
                continue
            entry = zipfile.ZipInfo(picture.filename, date_time=picture.created_at.timetuple()[:6])
            entry.file_size = picture.size_bytes
            try:
                with archive.open(entry, "w") as file:
                    async for chunk in reader:
                        file.write(chunk)
                        yield outlet.take()
            finally:
                await reader.aclose()
    yield outlet.take()
