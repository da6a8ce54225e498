"""Pictures that their owners bring along."""

import hashlib
from typing import Any

import pytest
from tests.core.input_labs import ALICE, photo

from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.history.upload_picture import MAX_UPLOAD_BYTES, UploadPicture
from nano_banana_lab.core.storage.ports import StoreUnavailable, read_blob
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.testing.scripted_image_model import striped_png


def uploading(lab: Any) -> UploadPicture:
    stores = StoreWatch(lab.key_values, lab.blobs)
    return UploadPicture(keep=lab.keep, tools=lab.tools, stores=stores, clock=lab.clock)


async def test_it_is_kept_byte_for_byte_under_a_key_of_its_owner(lab: Any) -> None:
    data = photo(orientation=6)
    picture = await uploading(lab)(ALICE.owner, data, name="beach.jpg")

    assert await read_blob(lab.blobs, picture.key) == data
    assert await lab.find.by_key(ALICE.owner, picture.key) == picture
    assert (picture.mode, picture.prompt, picture.mime_type) == ("upload", "beach.jpg", "image/jpeg")
    assert (picture.width, picture.height, picture.size_bytes) == (40, 30, len(data))
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert picture.key.endswith(".jpg")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
async def test_the_content_says_what_it_is(lab: Any, format: str) -> None:
    picture = await uploading(lab)(ALICE.owner, photo(format), name="something.gif")

    assert picture.mime_type == f"image/{format.lower()}"


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((8, 8), ("1:1", "1K")),
        ((1376, 768), ("16:9", "1K")),
        ((768, 1376), ("9:16", "1K")),
        ((2400, 1792), ("4:3", "2K")),
        ((6000, 10), ("21:9", "4K")),
    ],
)
async def test_its_ratio_and_resolution_are_the_nearest_ones(lab: Any, size: tuple[int, int], nearest: Any) -> None:
    picture = await uploading(lab)(ALICE.owner, striped_png(*size))

    assert (picture.aspect_ratio, picture.resolution) == nearest


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("beach.jpg", "beach.jpg"),
        ("C:\\Users\\me\\beach.jpg", "beach.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\r\nc\u202ed.png", "abcd.png"),
        ("柯" * 300, "柯" * 200),
        ("", ""),
        ("/", ""),
    ],
    ids=ascii,
)
async def test_of_its_name_the_last_part_is_kept_as_far_as_it_can_be_shown(lab: Any, name: str, kept: str) -> None:
    assert (await uploading(lab)(ALICE.owner, striped_png(8, 8), name=name)).prompt == kept


async def test_it_is_listed_among_uploads_only_and_counted_nowhere(lab: Any) -> None:
    picture = await uploading(lab)(ALICE.owner, striped_png(8, 8))

    assert ([], [picture]) == ([*(await lab.history()).pictures], [*(await lab.history(mode="upload")).pictures])
    assert (await lab.counted())["total_images"] == (await lab.counted())["total_bytes"] == 0


async def test_it_is_deleted_like_any_other(lab: Any) -> None:
    picture = await uploading(lab)(ALICE.owner, striped_png(8, 8))

    assert await lab.delete(ALICE.owner, [picture.id]) == 1
    assert (await lab.files(), (await lab.history(mode="upload")).total) == ([], 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (photo()[:-9], "truncated"),
        (photo() + b"<script>alert(1)</script>", "something_else_too"),
        (striped_png(8, 8) + bytes(MAX_UPLOAD_BYTES), "too_many_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_usable_picture_is_not_kept(lab: Any, data: bytes, reason: str) -> None:
    with pytest.raises(InvalidImage) as caught:
        await uploading(lab)(ALICE.owner, data)

    assert (caught.value.details, await lab.files()) == ({"reason": reason}, [])


@pytest.mark.parametrize("store", ["key_values", "blobs"])
async def test_nothing_is_begun_while_a_store_is_away(lab: Any, unreliable: Any, mishap: Any, store: str) -> None:
    outage = mishap(StoreUnavailable(store), "ping")
    setattr(lab, store, unreliable(getattr(lab, store), outage))
    with pytest.raises(StoreUnavailable):
        await uploading(lab)(ALICE.owner, striped_png(8, 8))

    assert await lab.files() == []
