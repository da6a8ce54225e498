"""A picture is kept exactly once, whatever the stores do meanwhile."""

from typing import Any

import pytest

from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.storage.operations import Add, CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import StoreUnavailable, read_blob

DOWN = StoreUnavailable("store")


@pytest.fixture
def keep_despite(lab: Any, unreliable: Any) -> Any:
    """Keeps a picture in stores to which something happens."""

    async def keep(mishap: Any, picture: Any, data: bytes = b"picture", **options: Any) -> None:
        saving = KeepPicture(blobs=unreliable(lab.blobs, mishap), key_values=unreliable(lab.key_values, mishap))
        await saving(picture, data, **options)

    return keep


async def is_kept_once(lab: Any, picture: Any) -> None:
    assert (await lab.history()).pictures == (picture,)
    assert await lab.counted() == await lab.counted_again()
    assert await read_blob(lab.blobs, picture.key) == b"picture"
    assert len(await lab.files()) == 2


@pytest.mark.parametrize("applied", [False, True], ids=["before it was done", "after it was done"])
@pytest.mark.parametrize("write", [1, 2, 3], ids=["the sidecar", "the picture", "the commit"])
async def test_a_store_that_fails_once_is_tried_again(
    lab: Any, keep_despite: Any, mishap: Any, write: int, *, applied: bool
) -> None:
    picture = lab.picture()
    await keep_despite(mishap(DOWN, "put", "commit", at=write, times=1, applied=applied), picture)

    await is_kept_once(lab, picture)


async def test_a_store_that_fails_twice_is_tried_a_third_time(lab: Any, keep_despite: Any, mishap: Any) -> None:
    picture = lab.picture()
    await keep_despite(mishap(DOWN, "commit", times=2), picture)

    await is_kept_once(lab, picture)


@pytest.mark.parametrize("call", ["put", "commit"])
async def test_a_store_that_stays_down_is_reported_and_nothing_is_listed(
    lab: Any, keep_despite: Any, mishap: Any, call: str
) -> None:
    with pytest.raises(StoreUnavailable):
        await keep_despite(mishap(DOWN, call), lab.picture())

    assert (await lab.history()).total == 0
    assert (await lab.counted())["total_images"] == 0


async def test_a_picture_whose_commit_never_came_is_restored_later(lab: Any, keep_despite: Any, mishap: Any) -> None:
    picture = lab.picture()
    with pytest.raises(StoreUnavailable):
        await keep_despite(mishap(DOWN, "commit"), picture)
    await lab.reindex()

    await is_kept_once(lab, picture)


async def test_keeping_the_same_picture_again_changes_nothing(lab: Any) -> None:
    picture = lab.picture()
    await lab.keep(picture, b"picture")
    await lab.keep(picture, b"picture")

    await is_kept_once(lab, picture)


async def test_another_picture_of_the_same_id_is_refused(lab: Any) -> None:
    picture = lab.picture("one")
    await lab.keep(picture, b"picture")

    with pytest.raises(CommitRefused):
        await lab.keep(lab.picture("another", id=picture.id), b"another")
    assert await lab.prompts() == ["one"]


async def test_what_goes_along_is_committed_with_it(lab: Any) -> None:
    await lab.key_values.commit(Put(key="lease", value=b"mine"))
    await lab.keep(
        lab.picture(),
        b"picture",
        along_with=[Delete(key="lease", if_present=True), Add(key="quota", field="n", amount=1)],
    )

    assert await lab.key_values.get("lease") is None
    assert await lab.key_values.counters("quota") == {"n": 1}
    assert (await lab.history()).total == 1


async def test_what_goes_along_refuses_the_picture_with_it(lab: Any) -> None:
    with pytest.raises(CommitRefused):
        await lab.keep(
            lab.picture(),
            b"picture",
            along_with=[Delete(key="lease", if_present=True), Add(key="quota", field="n", amount=1)],
        )

    assert await lab.key_values.counters("quota") == {}
    assert ((await lab.history()).total, (await lab.counted())["total_images"]) == (0, 0)


@pytest.mark.parametrize("applied", [False, True], ids=["before it was done", "after it was done"])
async def test_what_goes_along_happens_once_when_the_commit_is_tried_twice(
    lab: Any, keep_despite: Any, mishap: Any, *, applied: bool
) -> None:
    picture = lab.picture()
    await lab.key_values.commit(Put(key="lease", value=b"mine"))
    along_with = [Delete(key="lease", if_present=True), Add(key="quota", field="n", amount=1)]
    await keep_despite(mishap(DOWN, "commit", times=1, applied=applied), picture, along_with=along_with)

    assert await lab.key_values.counters("quota") == {"n": 1}
    await is_kept_once(lab, picture)


async def test_what_goes_along_still_happens_when_a_reindex_came_first(
    lab: Any, keep_despite: Any, mishap: Any
) -> None:
    picture = lab.picture()
    with pytest.raises(StoreUnavailable):
        await keep_despite(mishap(DOWN, "commit"), picture)
    await lab.reindex()
    await lab.key_values.commit(Put(key="lease", value=b"mine"))
    await lab.keep(picture, b"picture", along_with=[Delete(key="lease", if_present=True)])

    assert await lab.key_values.get("lease") is None
    await is_kept_once(lab, picture)


async def test_what_could_not_be_listed_is_listed_once_the_store_is_back(
    lab: Any, unreliable: Any, mishap: Any
) -> None:
    picture, key_values = lab.picture(), unreliable(lab.key_values, mishap(DOWN, "commit"))
    keep = KeepPicture(blobs=lab.blobs, key_values=key_values)
    with pytest.raises(StoreUnavailable):
        await keep(picture, b"picture")
    with pytest.raises(StoreUnavailable):
        await keep.list_the_unlisted()
    key_values.mishap = None

    assert await keep.list_the_unlisted() == 1
    assert await keep.list_the_unlisted() == 0
    await is_kept_once(lab, picture)


async def test_a_picture_that_could_not_be_stored_leaves_no_sidecar(lab: Any, unreliable: Any, mishap: Any) -> None:
    blobs = unreliable(lab.blobs, mishap(DOWN, "put", "head", at=2))
    keep = KeepPicture(blobs=blobs, key_values=lab.key_values)
    with pytest.raises(StoreUnavailable):
        await keep(lab.picture(), b"picture")
    with pytest.raises(StoreUnavailable):
        await keep.forget_the_unstored()
    blobs.mishap = None

    assert [await keep.forget_the_unstored(), await keep.forget_the_unstored()] == [1, 0]
    assert await keep.list_the_unlisted() == 0
    assert await lab.files() == []


async def test_a_picture_that_was_stored_without_a_word_is_listed_after_all(
    lab: Any, unreliable: Any, mishap: Any
) -> None:
    picture, blobs = lab.picture(), unreliable(lab.blobs, mishap(DOWN, "put", at=2, applied=True))
    keep = KeepPicture(blobs=blobs, key_values=lab.key_values)
    with pytest.raises(StoreUnavailable):
        await keep(picture, b"picture")
    blobs.mishap = None

    assert [await keep.forget_the_unstored(), await keep.list_the_unlisted()] == [0, 1]
    await is_kept_once(lab, picture)


@pytest.mark.parametrize("write", [1, 2, 3], ids=["the sidecar", "the picture", "the commit"])
async def test_what_nobody_insists_on_is_tried_once(lab: Any, keep_despite: Any, mishap: Any, write: int) -> None:
    trouble = mishap(DOWN, "put", "commit", at=write, times=1)
    with pytest.raises(StoreUnavailable):
        await keep_despite(trouble, lab.picture(), insisting=False)

    assert trouble.seen == write
    assert (await lab.history()).total == 0
