"""What is deleted leaves nothing behind."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.history.keys import TRASH
from nano_banana_lab.core.history.picture import ImageNotFound, Mode
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE, BOB = OwnerId("alice"), OwnerId("bob")
DOWN = StoreUnavailable("blob store")


async def nothing_is_left(lab: Any) -> None:
    assert await lab.files() == []
    assert await lab.key_values.count(TRASH) == 0
    for index in ("history/alice/all", "history/alice/mode/basic", "history/alice/mode/upload"):
        assert await lab.key_values.count(index) == 0


@pytest.mark.parametrize("mode", [Mode.BASIC, Mode.UPLOAD])
async def test_picture_sidecar_thumbnail_and_every_entry_are_gone(lab: Any, mode: Mode) -> None:
    picture = await lab.kept(mode=mode)
    await lab.thumbnail(picture)
    deleted = await lab.delete(ALICE, [picture.id])

    assert deleted == 1
    await nothing_is_left(lab)
    with pytest.raises(ImageNotFound):
        await lab.find.one(ALICE, picture.id)


async def test_others_are_left_alone(lab: Any) -> None:
    gone, stays = await lab.kept("gone"), await lab.kept("stays")
    await lab.delete(ALICE, [gone.id])

    assert await lab.prompts() == ["stays"]
    assert await lab.files() == [stays.key.replace(".png", ".json"), stays.key]


async def test_nobody_deletes_for_another(lab: Any) -> None:
    picture = await lab.kept()

    assert await lab.delete(BOB, [picture.id]) == 0
    assert (await lab.history()).total == 1


async def test_unknown_and_repeated_ids_are_passed_over(lab: Any) -> None:
    one, two = await lab.kept(), await lab.kept()

    assert await lab.delete(ALICE, [one.id, "nonsense", new_id(), one.id, two.id]) == 2
    assert await lab.delete(ALICE, [one.id]) == 0
    await nothing_is_left(lab)


async def test_of_racing_deletions_exactly_one_counts(lab: Any) -> None:
    picture = await lab.kept()
    counts = await asyncio.gather(*(lab.delete(ALICE, [picture.id]) for _ in range(10)))

    assert sum(counts) == 1
    assert await lab.counted() == await lab.counted_again()
    await nothing_is_left(lab)


async def test_a_hundred_are_deleted_at_once(lab: Any) -> None:
    ids = [(await lab.kept()).id for _ in range(100)]

    assert await lab.delete(ALICE, ids) == 100
    await nothing_is_left(lab)


async def test_a_key_value_store_that_is_down_refuses_and_nothing_is_lost(
    open_lab: Any, unreliable: Any, mishap: Any
) -> None:
    lab = open_lab()
    picture = await lab.kept()
    broken = open_lab(key_values=unreliable(lab.key_values, mishap(DOWN, "commit")), blobs=lab.blobs)
    with pytest.raises(StoreUnavailable):
        await broken.delete(ALICE, [picture.id])

    assert (await lab.history()).pictures == (picture,)
    assert len(await lab.files()) == 2


async def test_what_a_blob_store_could_not_remove_is_removed_later(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab()
    picture = await lab.kept()
    await lab.thumbnail(picture)
    broken = open_lab(key_values=lab.key_values, blobs=unreliable(lab.blobs, mishap(DOWN, "delete")))
    deleted = await broken.delete(ALICE, [picture.id])

    assert (deleted, (await lab.history()).total) == (1, 0)
    assert await lab.files() != []
    assert await lab.delete.empty_trash() == 1
    await nothing_is_left(lab)


async def test_a_deletion_that_was_interrupted_is_not_undone_by_a_reindex(
    open_lab: Any, unreliable: Any, mishap: Any
) -> None:
    lab = open_lab()
    picture = await lab.kept()
    broken = open_lab(key_values=lab.key_values, blobs=unreliable(lab.blobs, mishap(DOWN, "delete")))
    await broken.delete(ALICE, [picture.id])
    report = await lab.reindex()

    assert (report.restored, (await lab.history()).total) == (0, 0)


async def test_emptying_the_trash_while_the_store_is_down_keeps_it(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab()
    picture = await lab.kept()
    blobs = unreliable(lab.blobs, mishap(DOWN, "delete"))
    broken = open_lab(key_values=lab.key_values, blobs=blobs)
    await broken.delete(ALICE, [picture.id])
    with pytest.raises(StoreUnavailable):
        await broken.delete.empty_trash()
    blobs.mishap = None

    assert await broken.delete.empty_trash() == 1
    await nothing_is_left(lab)


async def test_an_empty_trash_is_emptied_of_nothing(lab: Any) -> None:
    await lab.kept()

    assert await lab.delete.empty_trash() == 0
    assert (await lab.history()).total == 1


async def test_a_full_trash_is_emptied_page_by_page(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab()
    blobs = unreliable(lab.blobs)
    broken = open_lab(key_values=lab.key_values, blobs=blobs)
    for _ in range(250):
        picture = await lab.kept()
        blobs.mishap = mishap(DOWN, "delete")
        await broken.delete(ALICE, [picture.id])

    assert await lab.delete.empty_trash() == 250
    await nothing_is_left(lab)
