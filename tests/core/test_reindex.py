"""The history comes back from the blob store, and what does not fit is named."""

import asyncio
from typing import Any

import msgspec
import pytest

from nano_banana_lab.core.history.keys import sidecar_key
from nano_banana_lab.core.history.picture import Mode, encode_picture
from nano_banana_lab.core.history.reindex import Trouble
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE = OwnerId("alice")


@pytest.fixture
def rebuilt(open_lab: Any, lab: Any) -> Any:
    """The lab after its key-value store was lost."""
    return open_lab(clock=lab.clock, blobs=lab.blobs)


async def put(lab: Any, key: str, data: bytes = b"x") -> str:
    await lab.blobs.put(key, data, content_type="application/octet-stream")
    return key


async def test_a_lost_history_comes_back_whole_and_once(lab: Any, rebuilt: Any) -> None:
    for number in range(40):
        mode = Mode.UPLOAD if number % 7 == 0 else Mode.CHAT if number % 3 == 0 else Mode.BASIC
        await lab.kept(f"picture {number}", owner=OwnerId(f"owner-{number % 3}"), mode=mode)
    report = await rebuilt.reindex()

    assert (report.restored, report.present, report.troubles) == (40, 0, [])
    for owner in (OwnerId(f"owner-{number}") for number in range(3)):
        assert await rebuilt.history(owner) == await lab.history(owner)
        assert await rebuilt.history(owner, mode=Mode.UPLOAD) == await lab.history(owner, mode=Mode.UPLOAD)
        assert await rebuilt.counted(owner) == await lab.counted(owner)


async def test_doing_it_twice_changes_nothing(lab: Any, rebuilt: Any) -> None:
    for _ in range(3):
        await lab.kept()
    await rebuilt.reindex()
    before = await rebuilt.counted()
    report = await rebuilt.reindex()

    assert (report.restored, report.present) == (0, 3)
    assert await rebuilt.counted() == before


async def test_two_at_the_same_time_restore_each_picture_once(lab: Any, rebuilt: Any) -> None:
    for _ in range(20):
        await lab.kept()
    reports = await asyncio.gather(rebuilt.reindex(), rebuilt.reindex())

    assert sum(report.restored for report in reports) == 20
    assert await rebuilt.counted() == await lab.counted()


async def test_only_what_is_missing_is_entered(lab: Any, open_lab: Any) -> None:
    stays = await lab.kept("stays")
    await open_lab(clock=lab.clock, blobs=lab.blobs).kept("unlisted")
    report = await lab.reindex()

    assert (report.restored, report.present) == (1, 1)
    assert await lab.prompts() == ["unlisted", stays.prompt]


async def test_a_deleted_picture_does_not_come_back(lab: Any, rebuilt: Any) -> None:
    gone = await lab.kept()
    await lab.delete(ALICE, [gone.id])

    assert (await rebuilt.reindex()).restored == 0


async def test_a_picture_without_a_sidecar_is_named(lab: Any) -> None:
    picture = await lab.kept()
    await lab.blobs.delete(sidecar_key(picture.key))

    assert (await lab.reindex()).troubles == [(picture.key, Trouble.NO_SIDECAR)]


async def test_a_sidecar_without_a_picture_is_named_and_not_entered(lab: Any, rebuilt: Any) -> None:
    picture = await lab.kept()
    await lab.blobs.delete(picture.key)
    report = await rebuilt.reindex()

    assert report.troubles == [(sidecar_key(picture.key), Trouble.NO_PICTURE)]
    assert (report.restored, (await rebuilt.history()).total) == (0, 0)


async def test_a_sidecar_that_was_moved_does_not_vouch_for_its_neighbour(lab: Any, rebuilt: Any) -> None:
    one, two = await lab.kept(), await lab.kept()
    await put(lab, sidecar_key(one.key), encode_picture(two))
    report = await rebuilt.reindex()

    assert report.troubles == [(sidecar_key(one.key), Trouble.NO_PICTURE)]
    assert (await rebuilt.history()).pictures == (two,)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"{}", b'{"id": "\xff"}', b"\xff\xfe", b'{"x":' + b"[" * 100_000],
    ids=["empty", "cut off", "null", "a list", "no fields", "not UTF-8", "binary", "deeply nested"],
)
async def test_an_unreadable_sidecar_is_named_and_the_rest_goes_on(lab: Any, rebuilt: Any, content: bytes) -> None:
    broken, _ = await lab.kept("broken"), await lab.kept("fine")
    await put(lab, sidecar_key(broken.key), content)
    report = await rebuilt.reindex()

    assert report.troubles == [(sidecar_key(broken.key), Trouble.UNREADABLE_SIDECAR)]
    assert await rebuilt.prompts() == ["fine"]


@pytest.mark.parametrize(
    "nonsense", [{"id": ""}, {"id": "x" * 5000}, {"size_bytes": 2**60}, {"owner": "x" * 5000}], ids=str
)
async def test_a_sidecar_with_impossible_facts_is_unreadable(lab: Any, rebuilt: Any, nonsense: dict[str, Any]) -> None:
    broken, _ = await lab.kept("broken"), await lab.kept("fine")
    await put(lab, sidecar_key(broken.key), encode_picture(msgspec.structs.replace(broken, **nonsense)))
    report = await rebuilt.reindex()

    assert report.troubles == [(sidecar_key(broken.key), Trouble.UNREADABLE_SIDECAR)]
    assert await rebuilt.prompts() == ["fine"]


async def test_a_sidecar_of_a_later_version_is_still_read(lab: Any, rebuilt: Any) -> None:
    picture = await lab.kept()
    later = msgspec.json.decode(encode_picture(picture)) | {"mood": "sunny", "schema": 2}
    await put(lab, sidecar_key(picture.key), msgspec.json.encode(later))

    assert (await rebuilt.reindex()).restored == 1


async def test_files_of_another_kind_are_named(lab: Any) -> None:
    strange = await put(lab, "users/alice/notes.txt")
    no_suffix = await put(lab, "users/alice/README")

    assert (await lab.reindex()).troubles == [(no_suffix, Trouble.UNKNOWN_FILE), (strange, Trouble.UNKNOWN_FILE)]


@pytest.mark.parametrize("suffix", [".bak", "~", ".jpg~", ""])
async def test_a_stray_copy_beside_a_picture_does_not_hide_it(lab: Any, rebuilt: Any, suffix: str) -> None:
    picture = await lab.kept()
    stray = await put(lab, sidecar_key(picture.key) + suffix if suffix else picture.key.removesuffix(".png"))
    report = await rebuilt.reindex()

    assert (await rebuilt.history()).pictures == (picture,)
    assert report.troubles == [(stray, Trouble.UNKNOWN_FILE)]


async def test_what_lies_outside_the_pictures_folder_is_nobodys_business(lab: Any) -> None:
    await put(lab, "elsewhere/file.txt")

    assert (await lab.reindex()).troubles == []


async def test_troubles_come_in_order(lab: Any) -> None:
    keys = [await put(lab, f"users/alice/{new_id()}.txt") for _ in range(40)]

    assert [key for key, _ in (await lab.reindex()).troubles] == sorted(keys)


async def test_a_picture_deleted_while_it_is_read_stays_deleted(lab: Any, open_lab: Any, unreliable: Any) -> None:
    picture = await lab.kept()
    reader = open_lab(clock=lab.clock, key_values=unreliable(lab.key_values), blobs=lab.blobs)

    class DeleteFirst:
        async def around(self, name: str, call: Any) -> Any:
            if name == "commit" and (await lab.history()).total:
                await lab.delete(ALICE, [picture.id])
            return await call()

    reader.key_values.mishap = DeleteFirst()
    await reader.reindex()

    assert (await lab.history()).total == 0
    assert await lab.counted() == await lab.counted_again()
    await lab.delete.empty_trash()
    assert await lab.files() == []


async def test_a_picture_deleted_just_after_it_was_restored_does_not_stop_the_rest(
    lab: Any, rebuilt: Any, open_lab: Any, unreliable: Any
) -> None:
    goes, _ = await lab.kept("goes"), await lab.kept("stays")
    reader = open_lab(clock=lab.clock, key_values=rebuilt.key_values, blobs=unreliable(lab.blobs))

    class DeleteFirst:
        async def around(self, name: str, call: Any) -> Any:
            if name == "head":
                await rebuilt.delete(ALICE, [goes.id])
            return await call()

    reader.blobs.mishap = DeleteFirst()
    await reader.reindex()

    assert await rebuilt.prompts() == ["stays"]
    assert await rebuilt.counted() == await rebuilt.counted_again()


async def test_a_record_whose_picture_was_deleted_in_a_moment_the_store_lost_is_taken_out(lab: Any) -> None:
    ghost, stays = await lab.kept("ghost"), await lab.kept("stays")
    await lab.blobs.delete(ghost.key, sidecar_key(ghost.key))
    report = await lab.reindex()

    assert (report.ghosts, report.troubles) == (1, [])
    assert (await lab.history()).pictures == (stays,)
    assert await lab.counted() == await lab.counted_again()


async def test_what_is_in_the_trash_is_not_brought_back(open_lab: Any, unreliable: Any, mishap: Any) -> None:
    lab = open_lab()
    picture = await lab.kept()
    blobs = unreliable(lab.blobs, mishap(StoreUnavailable("blob store"), "delete"))
    await open_lab(key_values=lab.key_values, blobs=blobs).delete(picture.owner, [picture.id])
    report = await lab.reindex()

    assert (report.restored, (await lab.history()).total) == (0, 0)
