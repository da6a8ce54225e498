"""What comes with a task and must not outlive it: the caller's own key, and pictures."""

from typing import Any

import pytest
from tests.core.input_labs import photo, sent
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.image_request import ImageSettings, PicturePart
from nano_banana_lab.core.generation.input_pictures import SentPicture, StoredPicture
from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.generation.transfer_style import transfer_style
from nano_banana_lab.core.history.picture import ImageNotFound
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.storage.operations import Delete
from nano_banana_lab.core.tasks.keys import LEFTOVERS, open_key

KEY = "AIza-somebodys-own"


@pytest.fixture
def tasks(open_lab: Any) -> Tasks:
    return Tasks(lab=open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=0)))


async def sealed(tasks: Tasks, task: Any) -> bytes | None:
    return await tasks.lab.key_values.get(open_key(task.owner, task.id))


async def test_the_callers_own_key_pays_for_every_item_and_nothing_is_counted(tasks: Tasks) -> None:
    await tasks.worked_off(await tasks.batch("a", "b", key=KEY))

    assert [request.api_key.reveal() for request in tasks.lab.keyed.requests] == [KEY] * 2
    assert (tasks.lab.model.requests, (await tasks.lab.usage(ALICE)).points) == ([], 0)


async def test_it_is_kept_sealed_and_erased_at_the_end(tasks: Tasks) -> None:
    task = await tasks.batch("a", key=KEY)
    kept = await sealed(tasks, task)
    await tasks.worked_off(task)

    assert kept
    assert KEY.encode() not in kept
    assert await sealed(tasks, task) is None
    assert all(KEY.encode() not in event.data for event in await tasks.events(task))


async def test_who_tries_again_brings_a_key_again_or_pays_with_points(tasks: Tasks) -> None:
    tasks.lab.keyed.then(UpstreamFailed(), UpstreamFailed())
    task = await tasks.batch("a", key=KEY)
    await tasks.worked_off(task)
    await tasks.again(task, key="another")
    await tasks.worked_off(task)
    await tasks.again(task)
    await tasks.worked_off(task)

    assert [request.api_key.reveal() for request in tasks.lab.keyed.requests] == [KEY, "another"]
    assert (len(tasks.lab.model.requests), (await tasks.lab.usage(ALICE)).points) == (1, 1)


@pytest.mark.parametrize("loss", ["another secret", "erased"])
async def test_a_key_that_cannot_be_read_is_never_replaced_by_the_operators(
    tasks: Tasks, open_lab: Any, loss: str
) -> None:
    task = await tasks.batch("a", key=KEY)
    lab = tasks.lab
    stores = {"clock": lab.clock, "key_values": lab.key_values, "blobs": lab.blobs, "policy": lab.policy}
    other = Tasks(lab=open_lab(**stores), queue=tasks.queue, bus=tasks.bus, secret=loss)
    if loss == "erased":
        await lab.key_values.commit(Delete(key=open_key(ALICE, task.id)))
    async with other.working():
        while not (await other.progress(task)).finished:
            await other.bus.read(f"task/{ALICE}/{task.id}", after=(await other.events(task))[-1].id, wait=5)

    [item] = (await other.progress(task)).items
    assert item.failure is not None
    assert (item.failure.code, other.lab.model.requests, other.lab.keyed.requests) == ("no_api_key", [], [])


async def test_sent_pictures_wait_in_the_blob_store_and_reach_the_model_as_they_came(tasks: Tasks) -> None:
    stored = await tasks.lab.kept()
    first, second = sent("first"), SentPicture(data=photo(), field="images.1")
    commission = blend_images([first, StoredPicture(key=stored.key, field="x"), second], ImageSettings())
    task = await tasks.taken_on([commission])
    held = [key for key in await tasks.lab.files() if key.startswith("tasks/")]
    done = await tasks.worked_off(task)

    [request] = tasks.lab.model.requests
    pictures = [part.data for part in request.turns[0].parts if isinstance(part, PicturePart)]
    assert (pictures[0], pictures[2], len(pictures), len(held)) == (first.data, second.data, 3, 2)
    assert done.items[0].picture_id in [picture.id for picture in (await tasks.lab.history(mode="blend")).pictures]


async def test_a_turned_picture_is_turned_for_the_model(tasks: Tasks) -> None:
    on_its_side = SentPicture(data=photo(orientation=6), field="content_image")
    await tasks.worked_off(await tasks.taken_on([transfer_style(on_its_side, ImageSettings(), prompt="woodcut")]))

    shown = tasks.lab.model.requests[0].turns[0].parts[0]
    assert (await tasks.lab.tools.inspect(shown.data)).height == 40


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (SentPicture(data=b"no picture", field="images.1"), InvalidImage),
        (StoredPicture(key="users/bob/x.png", field="images.1"), ImageNotFound),
    ],
)
async def test_a_picture_that_is_no_use_is_refused_at_once(tasks: Tasks, given: Any, error: Any) -> None:
    with pytest.raises(error) as caught:
        await tasks.taken_on([blend_images([sent("one"), given], ImageSettings())])

    assert caught.value.details["field"] == "images.1"
    assert ((await tasks.lab.usage(ALICE)).points, await tasks.lab.files()) == (0, [])


async def test_a_picture_that_is_deleted_before_its_turn_fails_the_item(tasks: Tasks) -> None:
    stored = await tasks.lab.kept()
    task = await tasks.taken_on(
        [blend_images([sent("one"), StoredPicture(key=stored.key, field="images.1")], ImageSettings())]
    )
    await tasks.lab.delete(ALICE, [stored.id])
    done = await tasks.worked_off(task)

    assert [item.failure.code for item in done.items if item.failure] == ["image_not_found"]
    assert (await tasks.lab.usage(ALICE)).points == 0


async def test_held_pictures_go_when_the_task_is_forgotten(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(), ttl_seconds=100)
    task = await tasks.taken_on([blend_images([sent("one"), sent("two")], ImageSettings())])
    await tasks.worked_off(task)
    tasks.lab.clock.advance(86400 + 1)
    removed = await tasks.hold.leftovers.remove()

    assert (removed, [key for key in await tasks.lab.files() if key.startswith("tasks/")]) == (1, [])
    assert await tasks.lab.key_values.count(LEFTOVERS) == 0
