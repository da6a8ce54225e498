"""`GET /api/generate/task/{id}/images.zip`."""

import io
import zipfile
from typing import Any

from tests.http.tasking import TASKS, finished, submitted

from nano_banana_lab.core.generation.ports import ContentBlocked


async def unpacked(client: Any, task_id: str) -> dict[str, bytes]:
    response = (await client.get(f"{TASKS}/{task_id}/images.zip")).raise_for_status()
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == f'attachment; filename="task-{task_id}.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_every_picture_is_in_it_byte_for_byte_by_its_own_name(service: Any) -> None:
    service.model.then(ContentBlocked(reason="SAFETY"))
    task_id = await submitted(service.client, "a", "b", "c")
    results = (await finished(service.client, task_id))["results"]
    files = await unpacked(service.client, task_id)

    assert list(files) == [image["filename"] for image in results]
    assert len(files) == 2
    for image in results:
        assert files[image["filename"]] == (await service.client.get(image["url"])).content


async def test_a_deleted_picture_is_left_out(service: Any) -> None:
    task_id = await submitted(service.client, "a", "b")
    gone, left = (await finished(service.client, task_id))["results"]
    await service.client.delete(f"/api/history/{gone['id']}")

    assert list(await unpacked(service.client, task_id)) == [left["filename"]]


async def test_a_picture_whose_file_has_just_gone_is_left_out(service: Any) -> None:
    task_id = await submitted(service.client, "a", "b")
    gone, left = (await finished(service.client, task_id))["results"]
    await service.blobs.delete(gone["key"])

    assert list(await unpacked(service.client, task_id)) == [left["filename"]]


async def test_without_pictures_there_is_no_file(service: Any, is_problem: Any) -> None:
    service.model.then(ContentBlocked(reason="SAFETY"))
    task_id = await submitted(service.client, "a")
    await finished(service.client, task_id)

    is_problem(await service.client.get(f"{TASKS}/{task_id}/images.zip"), 404, "image_not_found")
