"""Pictures that come with a request: whose they are, whether they are pictures, and how they reach the model."""

import io
from typing import Any

import pytest
from PIL import Image
from tests.core.conftest import picture_bytes
from tests.core.input_labs import ALICE, photo, sent

from nano_banana_lab.adapters.memory.blob_store import MemoryBlobStore
from nano_banana_lab.core.generation.input_pictures import (
    MAX_PICTURE_BYTES,
    LoadPictures,
    SentPicture,
    StoredPicture,
    check_count,
)
from nano_banana_lab.core.history.picture import ImageNotFound
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock


def stored(key: str, field: str = "image_keys.0") -> StoredPicture:
    return StoredPicture(key=key, field=field)


async def test_they_come_in_the_order_given_byte_for_byte(lab: Any) -> None:
    kept = [await lab.kept(f"number {number}") for number in range(2)]
    first, second = sent("first"), SentPicture(data=photo("WEBP"), field="images.1")
    found = await lab.load_pictures(ALICE.owner, [stored(kept[1].key), first, stored(kept[0].key), second])

    expected = [picture_bytes(kept[1].id), first.data, picture_bytes(kept[0].id), second.data]
    assert expected == [part.data for part in found]
    assert [part.mime_type for part in found] == ["image/png"] * 3 + ["image/webp"]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_what_its_exif_lays_on_its_side_is_set_upright(lab: Any, format: str) -> None:
    on_its_side = photo(format, orientation=6)
    [part] = await lab.load_pictures(ALICE.owner, [SentPicture(data=on_its_side, field="images.0")])
    with Image.open(io.BytesIO(part.data)) as picture:
        seen = (picture.format, picture.size, picture.getexif().get(0x0112, 1))

    assert seen == (format, (30, 40), 1)
    assert part.mime_type == f"image/{format.lower()}"


@pytest.mark.parametrize(
    "key", ["", "x", "users/alice/2026/11/22/120000-" + "0" * 32 + ".png", "../secret", "柯" * 9000]
)
async def test_a_key_of_nothing_is_not_found(lab: Any, key: str) -> None:
    with pytest.raises(ImageNotFound) as caught:
        await lab.load_pictures(ALICE.owner, [sent("one"), stored(key, "image_keys.7")])

    assert caught.value.details == {"field": "image_keys.7"}


async def test_anothers_key_is_a_key_of_nothing(lab: Any) -> None:
    theirs = await lab.kept(owner=OwnerId("bob"))
    with pytest.raises(ImageNotFound):
        await lab.load_pictures(ALICE.owner, [stored(theirs.key)])


async def test_the_id_alone_does_not_open_a_picture_under_another_key(lab: Any) -> None:
    mine = await lab.kept()
    with pytest.raises(ImageNotFound):
        await lab.load_pictures(ALICE.owner, [stored(mine.key.replace("alice", "bob"))])


async def test_nothing_is_read_when_one_of_them_is_missing(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab(blobs=unreliable(MemoryBlobStore(FrozenClock()), mishap(StoreUnavailable("blob store"), "open")))
    mine = await lab.kept()

    with pytest.raises(ImageNotFound):
        await lab.load_pictures(ALICE.owner, [stored(mine.key), stored("nothing")])
    with pytest.raises(StoreUnavailable):
        await lab.load_pictures(ALICE.owner, [stored(mine.key)])


async def test_a_picture_whose_file_has_just_gone_is_not_found(lab: Any) -> None:
    mine = await lab.kept()
    await lab.blobs.delete(mine.key)
    with pytest.raises(ImageNotFound) as caught:
        await lab.load_pictures(ALICE.owner, [stored(mine.key)])

    assert caught.value.details == {"field": "image_keys.0"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"<html></html>", "not_an_image"),
        (b"GIF89a" + bytes(20), "unsupported_format"),
        (photo()[:-40], "truncated"),
        (sent("x").data + b"PK\x03\x04" + bytes(40), "something_else_too"),
        (bytes(MAX_PICTURE_BYTES + 1), "too_many_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_usable_picture_is_refused_by_the_name_of_its_field(
    lab: Any, data: bytes, reason: str
) -> None:
    with pytest.raises(InvalidImage) as caught:
        await lab.load_pictures(ALICE.owner, [sent("fine"), SentPicture(data=data, field="images.1")])

    assert caught.value.details == {"reason": reason, "field": "images.1"}


async def test_what_is_too_much_together_is_refused_before_any_of_it_is_looked_at(lab: Any) -> None:
    no_picture = bytes(18_000_000)
    inputs = [SentPicture(data=no_picture, field=f"images.{number}") for number in range(5)]
    with pytest.raises(ValidationFailed) as caught:
        await lab.load_pictures(ALICE.owner, inputs)

    [error] = caught.value.errors
    assert (error.field, error.type, error.limits) == ("images.4", "too_much_data", {"most": 70 * 1024 * 1024})


async def test_stored_pictures_count_by_their_record(lab: Any) -> None:
    kept = [await lab.kept(size_bytes=18_000_000) for _ in range(5)]
    with pytest.raises(ValidationFailed):
        await lab.load_pictures(ALICE.owner, [stored(picture.key) for picture in kept])

    assert len(await lab.load_pictures(ALICE.owner, [stored(picture.key) for picture in kept[:4]])) == 4


@pytest.mark.parametrize(("count", "kind"), [(0, "too_few"), (1, "too_few"), (15, "too_many")])
def test_too_few_and_too_many_are_refused(count: int, kind: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_count([sent("x")] * count, field="images", least=2)

    assert [(error.field, error.type) for error in caught.value.errors] == [("images", kind)]


@pytest.mark.parametrize("count", [2, 14])
def test_two_to_fourteen_are_taken(count: int) -> None:
    check_count([sent("x")] * count, field="images", least=2)


async def test_what_grows_too_large_by_turning_is_refused_like_what_was_too_large(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_its_side = SentPicture(data=photo("JPEG", orientation=6), field="images.0")
    [turned] = await lab.load_pictures(ALICE.owner, [on_its_side])
    assert len(turned.data) != len(on_its_side.data)
    smallest = min(len(turned.data), len(on_its_side.data))
    monkeypatch.setattr("nano_banana_lab.core.generation.input_pictures.MAX_TOTAL_BYTES", smallest)
    with pytest.raises(ValidationFailed) as refused:
        await lab.load_pictures(ALICE.owner, [on_its_side])

    assert [(error.field, error.type) for error in refused.value.errors] == [("images.0", "too_much_data")]


async def test_nothing_is_decoded_when_one_of_them_is_no_picture_at_all(lab: Any) -> None:
    class Decoding:
        """Counts what is decoded."""

        decoded = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(lab.tools, name)

        async def verify(self, data: bytes) -> Any:
            self.decoded += 1
            return await lab.tools.verify(data)

    tools = Decoding()
    load = LoadPictures(find=lab.find, blobs=lab.blobs, tools=tools)
    with pytest.raises(InvalidImage):
        await load(ALICE.owner, [sent("good"), SentPicture(data=b"junk", field="images.1")])

    assert tools.decoded == 0
