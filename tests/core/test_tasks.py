"""A batch, from its submission to its end."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import CooldownActive, LimitReached, PoolExhausted
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING
from nano_banana_lab.core.tasks.submit_task import batch_of
from nano_banana_lab.core.tasks.task import TaskNotFound, TaskStatus
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel

TRIAL = QuotaPolicy(enabled=True, cooldown_seconds=0)


@pytest.fixture
def tasks(lab: Any) -> Tasks:
    return Tasks(lab=lab)


@pytest.fixture
def paid(open_lab: Any) -> Tasks:
    """Where the trial pays."""
    return Tasks(lab=open_lab(policy=TRIAL))


async def spent(tasks: Tasks) -> tuple[int, int]:
    """Points that are spent or set aside, and those of them that are set aside."""
    usage = await tasks.lab.usage(ALICE)
    return usage.points, usage.points_set_aside


async def test_a_batch_waits_until_there_is_a_worker(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    progress = await tasks.progress(task)

    assert (progress.status, progress.finished, progress.started_at) == (TaskStatus.QUEUED, 0, None)
    assert [item.commission.prompt for item in progress.items] == ["a", "b"]
    assert tasks.lab.model.requests == []


async def test_every_prompt_becomes_a_picture_in_the_history(tasks: Tasks) -> None:
    done = await tasks.worked_off(await tasks.batch("a", "b", "c"))

    assert (done.status, done.finished) == (TaskStatus.COMPLETED, 3)
    found = {picture.id: picture for picture in (await tasks.lab.history()).pictures}
    assert [found[item.picture_id].prompt for item in done.items if item.picture_id] == ["a", "b", "c"]
    assert {picture.mode.value for picture in found.values()} == {"batch"}
    assert done.completed_at is not None
    assert done.started_at is not None


async def test_several_are_made_at_once_within_the_limits(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(admission=Admission(concurrent=2, waiting=0)))
    tasks.lab.model.hold()
    task = await tasks.batch(*"abcde")
    async with tasks.working(concurrency=5):
        await tasks.lab.model.calls_begun(2)
        for _ in range(50):
            await asyncio.sleep(0)
        begun = len(tasks.lab.model.requests)
        tasks.lab.model.release()
        done = await tasks.done(task)

    assert (begun, done.status) == (2, TaskStatus.COMPLETED)  # the others waited, and none was refused


async def test_one_that_fails_has_its_reason_and_the_others_go_on(paid: Tasks) -> None:
    paid.lab.model.then(ContentBlocked(reason="SAFETY"))
    done = await paid.worked_off(await paid.batch("a", "b"), concurrency=1)

    first, second = done.items
    assert (first.status.value, second.status.value) == ("failed", "completed")
    assert first.failure is not None
    assert (first.failure.code, first.failure.details) == ("content_blocked", {"reason": "SAFETY"})
    assert (done.status, done.finished, await spent(paid)) == (TaskStatus.COMPLETED, 2, (1, 0))


async def test_when_all_fail_the_task_has_failed_and_cost_nothing(paid: Tasks) -> None:
    paid.lab.model.then(UpstreamFailed(), ValueError("a bug"))
    done = await paid.worked_off(await paid.batch("a", "b"), concurrency=1)

    assert done.status is TaskStatus.FAILED
    assert [item.failure.code for item in done.items if item.failure] == ["upstream_error", "internal_error"]
    assert await spent(paid) == (0, 0)


async def test_the_points_of_all_are_set_aside_at_once(paid: Tasks) -> None:
    task = await paid.batch(*"abc", resolution=Resolution.FOUR_K)
    before = await spent(paid)
    await paid.worked_off(task)

    assert (before, await spent(paid)) == ((9, 9), (9, 0))
    assert (await paid.lab.usage(ALICE)).pictures == {"batch_4k": 3}


@pytest.mark.parametrize(
    ("policy", "refusal"),
    [
        ({"global_points": 2}, PoolExhausted),
        ({"modes": {"batch_1k": msgspec.structs.replace(TRIAL.modes["batch_1k"], limit=2)}}, LimitReached),
    ],
    ids=["the pool", "the user's limit"],
)
async def test_without_points_for_all_nothing_is_taken_on(open_lab: Any, policy: Any, refusal: Any) -> None:
    policy = msgspec.structs.replace(TRIAL, **policy | {"modes": dict(TRIAL.modes) | policy.get("modes", {})})
    tasks = Tasks(lab=open_lab(policy=policy))
    with pytest.raises(refusal):
        await tasks.batch(*"abc")

    assert (await tasks.book.page(ALICE, limit=10), await spent(tasks)) == (([], 0), (0, 0))
    assert await tasks.queue.state() == msgspec.structs.replace(await tasks.queue.state(), waiting=0)


async def test_a_batch_begins_one_cooldown(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(policy=QuotaPolicy(enabled=True, cooldown_seconds=10)))
    await tasks.batch(*"abc")
    with pytest.raises(CooldownActive):
        await tasks.batch("d")


async def test_racing_batches_never_exceed_the_pool(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(policy=msgspec.structs.replace(TRIAL, global_points=10)))
    owners = [OwnerId(f"owner-{number}") for number in range(8)]
    outcomes = await asyncio.gather(*(tasks.batch(*"abc", owner=each) for each in owners), return_exceptions=True)

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 3
    assert (await tasks.lab.usage(ALICE)).points == 9


@pytest.mark.parametrize(
    ("prompts", "field"),
    [([], "prompts"), (["a"] * 11, "prompts"), (["a", " "], "prompts.1"), (["x" * 2001], "prompts.0")],
)
def test_bad_prompts_are_named(prompts: list[str], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        batch_of(prompts, ImageSettings(), most=10)

    assert [error.field for error in caught.value.errors] == [field]


async def test_settings_that_the_model_does_not_offer_are_refused_at_once(tasks: Tasks) -> None:
    with pytest.raises(ValidationFailed):
        await tasks.taken_on(batch_of(["a"], ImageSettings(aspect_ratio="7:1"), most=10))

    assert await tasks.book.page(ALICE, limit=10) == ([], 0)


async def test_anothers_task_is_a_task_that_never_was(tasks: Tasks) -> None:
    task = await tasks.batch()
    for owner, task_id in ((OwnerId("bob"), task.id), (ALICE, "0" * 32), (ALICE, "../x")):
        with pytest.raises(TaskNotFound):
            await tasks.book.progress(owner, task_id)

    assert await tasks.book.page(OwnerId("bob"), limit=10) == ([], 0)


async def test_tasks_are_listed_the_newest_first(tasks: Tasks) -> None:
    made = []
    for _ in range(3):
        tasks.lab.clock.advance(1)
        made.append((await tasks.batch("a")).id)
    page, total = await tasks.book.page(ALICE, limit=2)
    rest, _ = await tasks.book.page(ALICE, limit=2, offset=2)

    assert [each.task.id for each in (*page, *rest)] == made[::-1]
    assert total == 3


async def test_a_task_is_forgotten_some_time_after_its_end(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(), ttl_seconds=100)
    task = await tasks.batch()
    tasks.lab.clock.advance(200)
    await tasks.worked_off(task)
    tasks.lab.clock.advance(99)
    assert (await tasks.progress(task)).finished == 3

    tasks.lab.clock.advance(2)
    with pytest.raises(TaskNotFound):
        await tasks.progress(task)
    assert await tasks.book.page(ALICE, limit=10) == ([], 0)
    assert (await tasks.lab.history()).total == 3


async def test_at_the_end_nothing_is_left_of_what_moved_it(tasks: Tasks) -> None:
    await tasks.worked_off(await tasks.batch())

    assert [await tasks.lab.key_values.count(index) for index in (QUEUED, RUNNING, OPEN)] == [0, 0, 0]


async def test_a_batch_never_taken_up_is_given_up_after_a_day(paid: Tasks) -> None:
    await paid.batch()
    paid.lab.clock.advance(86401)

    assert await paid.lab.ledger.release_expired() == 3
    assert [await paid.lab.key_values.count(index) for index in (QUEUED, OPEN)] == [0, 0]


async def test_a_thousand_items_are_worked_off(open_lab: Any) -> None:
    tasks = Tasks(lab=open_lab(model=ScriptedImageModel()))
    done = await tasks.worked_off(await tasks.batch(*map(str, range(1000))), concurrency=50)

    assert (done.finished, (await tasks.lab.history()).total) == (1000, 1000)
