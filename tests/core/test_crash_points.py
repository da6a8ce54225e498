"""Whatever write the process dies at, each picture is afterwards whole in the history or reported, never half."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.history.keys import sidecar_key, thumbnail_key
from nano_banana_lab.core.history.reindex import Trouble
from nano_banana_lab.core.shared.ids import OwnerId

ALICE = OwnerId("alice")
WRITES = ("put", "commit", "delete")


@pytest.fixture
def dying(open_lab: Any, unreliable: Any, mishap: Any, process_died: Any) -> Any:
    """A second process on the stores of a lab, which dies at its n-th write."""

    def open_dying(lab: Any, at: int, *, applied: bool) -> tuple[Any, Any]:
        death = mishap(process_died(), *WRITES, at=at, applied=applied)
        stores = (unreliable(lab.key_values, death), unreliable(lab.blobs, death))
        return open_lab(clock=lab.clock, key_values=stores[0], blobs=stores[1]), death

    return open_dying


async def everything_is_whole(lab: Any) -> None:
    """Every listed picture has its bytes and its sidecar, and the counters agree."""
    pictures, files = (await lab.history(limit=1000)).pictures, set(await lab.files())
    assert {picture.key for picture in pictures} <= files
    assert {sidecar_key(picture.key) for picture in pictures} <= files
    assert await lab.counted() == await lab.counted_again()


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_dying_while_a_picture_is_kept(
    lab: Any, dying: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    await lab.kept("another")
    dead, death = dying(lab, at, applied=applied)
    with pytest.raises(process_died):
        await dead.generate("new")
    await everything_is_whole(lab)
    report = await lab.reindex()

    assert death.seen == at
    await everything_is_whole(lab)
    written = at - (not applied)
    assert ("new" in await lab.prompts()) is (written >= 2)
    assert report.restored == (1 if written == 2 else 0)
    assert [trouble for _, trouble in report.troubles] == ([Trouble.NO_PICTURE] if written == 1 else [])


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_dying_while_a_picture_is_deleted(
    lab: Any, dying: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    picture, stays = await lab.kept("goes"), await lab.kept("stays")
    await lab.thumbnail(picture)
    dead, death = dying(lab, at, applied=applied)
    with pytest.raises(process_died):
        await dead.delete(ALICE, [picture.id])
    assert death.seen == at
    assert await lab.counted() == await lab.counted_again()

    await lab.delete.empty_trash()
    report = await lab.reindex()
    written = at - (not applied)
    assert report.restored == 0
    assert report.troubles == []
    if written >= 1:
        assert await lab.files() == [sidecar_key(stays.key), stays.key]
        assert await lab.prompts() == ["stays"]
    else:
        assert await lab.prompts() == ["stays", "goes"]
        assert picture.key in await lab.files()


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_deletion_cut_short_can_be_repeated(lab: Any, dying: Any, process_died: Any, at: int) -> None:
    picture = await lab.kept()
    await lab.thumbnail(picture)
    dead, _ = dying(lab, at, applied=False)
    with pytest.raises(process_died):
        await dead.delete(ALICE, [picture.id])
    await lab.delete(ALICE, [picture.id])
    await lab.delete.empty_trash()

    assert await lab.files() == []
    assert (await lab.counted())["total_images"] == 0


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
async def test_dying_while_a_thumbnail_is_stored(lab: Any, dying: Any, process_died: Any, *, applied: bool) -> None:
    picture = await lab.kept()
    dead, _ = dying(lab, 1, applied=applied)
    with pytest.raises(process_died):
        await dead.thumbnail(picture)
    await everything_is_whole(lab)
    await lab.thumbnail(picture)
    await lab.delete(ALICE, [picture.id])

    assert await lab.files() == []


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_dying_while_reindexing(
    open_lab: Any, lab: Any, dying: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    for _ in range(3):
        await lab.kept()
    rebuilt = open_lab(clock=lab.clock, blobs=lab.blobs)
    dead, _ = dying(rebuilt, at, applied=applied)
    with pytest.raises(process_died):
        await dead.reindex()
    await asyncio.sleep(0)
    await everything_is_whole(rebuilt)
    report = await rebuilt.reindex()

    assert (await rebuilt.history()).pictures == (await lab.history()).pictures
    assert report.restored + report.present == 3
    await everything_is_whole(rebuilt)


async def test_a_thumbnail_is_no_picture_of_its_own(lab: Any) -> None:
    picture = await lab.kept()
    await lab.thumbnail(picture)
    report = await lab.reindex()

    assert thumbnail_key(picture.key) in await lab.files()
    assert (report.present, report.troubles) == (1, [])
