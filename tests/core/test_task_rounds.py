"""The regular look at tasks: what waits, what nobody makes any more, what is over; and what waits for a store."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.core.tasking import A_MOMENT, ALICE, LEASE, TRIAL, Far, Meanwhile, Tasks, another_process, points

from nano_banana_lab.core.generation.ports import UpstreamRateLimited
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Delete, Put
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks import keep_moving
from nano_banana_lab.core.tasks.announce import BEGUN, DONE, ITEM
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING, ItemName, open_key, task_key
from nano_banana_lab.core.tasks.ports import QueueUnavailable
from nano_banana_lab.core.tasks.run_item import OUTAGE_SECONDS, REFUSALS
from nano_banana_lab.core.tasks.task import Task, TaskStatus
from nano_banana_lab.core.tasks.task_moves import HANDED_OVER_SECONDS, LINE_UP_AGAIN_SECONDS


@pytest.fixture
def tasks(open_lab: Any) -> Tasks:
    return Tasks(lab=open_lab(policy=TRIAL))


@pytest.fixture
def stores_answer(tasks: Tasks, monkeypatch: Any) -> Any:
    """How the stores are, each time somebody asks; at the end, and from then on, well."""

    def answer(*answers: str) -> None:
        left = iter(answers)

        async def require() -> None:
            if next(left, "well") == "down":
                raise StoreUnavailable("blob store")

        monkeypatch.setattr(tasks.lab.make_picture.stores, "require", require)

    return answer


async def test_while_a_store_is_down_nothing_is_begun(tasks: Tasks, stores_answer: Any) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    stores_answer("down", "down")
    await tasks.run_item(mine)
    tasks.lab.clock.advance(HANDED_OVER_SECONDS + 1)
    await tasks.round()
    meanwhile = await tasks.statuses(task), await tasks.tickets(), await tasks.event_names(task)
    assert meanwhile == (["queued"], [], [BEGUN])

    await tasks.round()
    assert (await tasks.queue.state()).waiting == 1

    done = await tasks.worked_off(task)
    assert (done.status, len(tasks.lab.model.requests)) == (TaskStatus.COMPLETED, 1)


async def test_a_store_that_goes_away_before_the_model_is_asked_lets_the_item_wait_for_a_while(
    tasks: Tasks, stores_answer: Any
) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    stores_answer("well", "down")
    await tasks.run_item(mine)
    waiting = await tasks.statuses(task), await tasks.event_names(task)
    tasks.lab.clock.advance(OUTAGE_SECONDS - 1)
    await tasks.round()
    assert (waiting, await tasks.tickets()) == ((["queued"], [BEGUN]), [])

    tasks.lab.clock.advance(2)
    await tasks.round()
    done = await tasks.worked_off(task)

    assert (done.status, done.items[0].attempt) == (TaskStatus.COMPLETED, 1)
    assert (len(tasks.lab.model.requests), await points(tasks)) == (1, (1, 0))


async def test_what_waits_for_a_store_is_nobodys_turn_meanwhile(tasks: Tasks, stores_answer: Any) -> None:
    first = await tasks.batch("a")
    tasks.lab.clock.advance(A_MOMENT)
    second = await tasks.batch("b")
    mine, other = await tasks.tickets()
    stores_answer("well", "down")
    for each in (mine, other, other):
        await tasks.run_item(each)

    assert [await tasks.statuses(task) for task in (first, second)] == [["queued"], ["completed"]]


async def test_a_process_never_takes_what_it_is_making_for_abandoned(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.hold()
    async with tasks.working():
        await tasks.lab.model.calls_begun(1)
        tasks.lab.clock.advance(LEASE + 1)  # its signs of life did not come through
        await tasks.keep_moving.mark_interrupted()
        spared = await tasks.statuses(task)
        tasks.lab.model.release()
        await tasks.done(task)

    assert spared == ["processing"]


async def test_a_round_looks_at_no_more_than_so_many(tasks: Tasks, monkeypatch: Any) -> None:
    monkeypatch.setattr(keep_moving, "AT_ONCE", 2)
    monkeypatch.setattr(keep_moving, "PAGES", 2)
    await tasks.batch(*"abcdefg")
    await tasks.tickets()
    tasks.lab.clock.advance(HANDED_OVER_SECONDS + 1)
    found = []
    for _ in range(3):
        await tasks.round()
        found.append(len(await tasks.tickets()))

    assert found == [4, 3, 0]


async def test_a_task_that_is_closed_while_it_is_looked_at_is_not_looked_at_again(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    once_more = tasks.announce.once_more

    async def meanwhile_it_ends(looked_at: Task) -> bool:
        closed = await once_more(looked_at)
        await another_process(tasks).run_item(mine)
        return closed

    tasks.announce.__dict__["once_more"] = meanwhile_it_ends
    tasks.lab.clock.advance(LEASE + 1)
    await tasks.keep_moving.close_what_is_over()

    assert (await tasks.event_names(task))[-1] == DONE
    assert await tasks.lab.key_values.count(OPEN) == 0


async def test_of_all_who_close_a_task_one_tells_of_it(tasks: Tasks, monkeypatch: Any) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise QueueUnavailable

    task = await tasks.batch("a")
    with monkeypatch.context() as outage:
        outage.setattr(tasks.bus, "publish", away)
        await tasks.run_item(*(await tasks.tickets()))
    tasks.lab.clock.advance(LEASE + 1)
    processes = [another_process(tasks) for _ in range(4)]
    for each in processes:
        each.book.__dict__["key_values"] = Far(tasks.lab.key_values)
    await asyncio.gather(*(each.round() for each in processes))

    assert await tasks.event_names(task) == [BEGUN, "item", DONE]


async def test_a_task_that_expired_leaves_nothing_to_look_at(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    await tasks.lab.key_values.commit(Delete(key=task_key(ALICE, task.id)))
    tasks.lab.clock.advance(LEASE + 1)
    await tasks.round()

    assert await tasks.lab.key_values.count(OPEN) == 0
    assert await tasks.lab.key_values.get(open_key(ALICE, task.id)) is None


@pytest.mark.parametrize(("said", "waited"), [(47.0, 47), (None, 30)])
async def test_an_item_waits_while_google_counts_too_many_calls(
    tasks: Tasks, said: float | None, waited: float
) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    tasks.lab.model.then(UpstreamRateLimited(retry_after=said))
    await tasks.run_item(mine)
    tasks.lab.clock.advance(waited - 1)
    await tasks.round()
    assert (await tasks.statuses(task), await tasks.tickets()) == (["queued"], [])

    tasks.lab.clock.advance(1.001)
    await tasks.round()
    done = await tasks.worked_off(task)

    assert (done.status, done.items[0].attempt) == (TaskStatus.COMPLETED, 1)
    assert (len(tasks.lab.model.requests), await points(tasks)) == (2, (1, 0))
    told = [msgspec.json.decode(event.data)["status"] for event in await tasks.events(task) if event.name == ITEM]
    assert told == ["processing", "queued", "processing", "completed"]


@pytest.mark.parametrize(
    "refusals",
    [
        [UpstreamRateLimited(retry_after=1) for _ in range(REFUSALS + 1)],
        [UpstreamRateLimited(retry_after=86400)],
        [UpstreamRateLimited(reason="spending_cap")],
        [UpstreamRateLimited(reason="daily", retry_after=30)],
    ],
    ids=["again and again", "for a day", "no money", "no more today"],
)
async def test_where_waiting_does_not_help_an_item_has_failed(
    tasks: Tasks, refusals: list[UpstreamRateLimited]
) -> None:
    task = await tasks.batch("a")
    tasks.lab.model.then(*refusals)
    for _ in refusals:
        await tasks.round()
        for ticket in await tasks.tickets():
            await tasks.run_item(ticket)
        tasks.lab.clock.advance(HANDED_OVER_SECONDS + 1)
    done = await tasks.done(task)

    [item] = done.items
    assert item.failure is not None
    assert (done.status, item.failure.code) == (TaskStatus.FAILED, "upstream_rate_limited")
    assert (len(tasks.lab.model.requests), await points(tasks)) == (len(refusals), (0, 0))


async def test_what_is_put_back_while_a_round_looks_at_it_is_lined_up_again(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    await tasks.tickets()
    begun = await tasks.begin(task.item_name(0))
    assert begun is not None
    await tasks.lab.key_values.commit(tasks.book.moves.looked_at_later(begun.name))  # by a round that came too late
    tasks.lab.clock.advance(LINE_UP_AGAIN_SECONDS + 1)
    other = another_process(tasks)
    other.keep_moving.key_values = Meanwhile(tasks.lab.key_values, "commit", lambda: tasks.begin.put_back(begun))
    await other.keep_moving.line_up_what_waits()
    survivor = another_process(tasks)
    await survivor.round()

    lined_up = [ItemName.of_ticket(ticket) for ticket in await survivor.tickets()]
    assert (lined_up, await tasks.statuses(task)) == ([begun.name], ["queued"])


async def test_what_is_begun_while_a_round_looks_at_it_can_still_be_given_up(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [mine] = await tasks.tickets()
    await tasks.lab.key_values.commit(tasks.book.moves.alive(str(task.item_name(0))))  # by whoever had it before
    tasks.lab.clock.advance(LEASE + 1)
    other = another_process(tasks)
    begin = Meanwhile(tasks.lab.key_values, "commit", lambda: tasks.begin(task.item_name(0)))
    other.keep_moving.key_values = begin
    await other.keep_moving.mark_interrupted()
    tasks.lab.clock.advance(LEASE + 1)
    await other.round()

    assert (mine, await tasks.statuses(task)) == (task.item_name(0).ticket(1), ["interrupted"])


@pytest.mark.parametrize("index", [QUEUED, RUNNING])
async def test_entries_of_what_is_over_go(tasks: Tasks, index: str) -> None:
    task = await tasks.batch("a")
    await tasks.worked_off(task)
    name, moves = task.item_name(0), tasks.book.moves
    await tasks.lab.key_values.commit(moves.looked_at_later(name) if index == QUEUED else moves.alive(str(name)))
    tasks.lab.clock.advance(LEASE + 1)
    await tasks.round()

    assert await tasks.lab.key_values.count(index) == 0
    assert await tasks.statuses(task) == ["completed"]


@pytest.mark.parametrize("of_what", ["item", "task"])
async def test_what_another_version_kept_holds_up_nobody(tasks: Tasks, caplog: Any, of_what: str) -> None:
    theirs = await tasks.batch(*"aaaaaaaaa")
    names = [theirs.item_name(index).key for index in range(9)] if of_what == "item" else [task_key(ALICE, theirs.id)]
    before = await tasks.lab.key_values.get_many(names)
    newer = [(value or b"").replace(b'"batch"', b'"collage"') for value in before]
    await tasks.lab.key_values.commit(*(Put(key=key, value=value) for key, value in zip(names, newer, strict=True)))
    ours = await tasks.batch("b", owner=OwnerId("bob"))
    for _ in range(3):
        for ticket in await tasks.tickets():
            await tasks.run_item(ticket)
        tasks.lab.clock.advance(LEASE + 1)
        await tasks.round()

    assert (await tasks.statuses(ours), len(tasks.lab.model.requests)) == (["completed"], 1)
    assert await tasks.lab.key_values.get_many(names) == newer
    assert sum("another version" in record.message for record in caplog.records) == len(names)
    await tasks.lab.key_values.commit(
        *(Put(key=key, value=value or b"") for key, value in zip(names, before, strict=True))
    )
    tasks.lab.clock.advance(LEASE + 1)
    await tasks.round()
    assert (await tasks.worked_off(theirs)).status is TaskStatus.COMPLETED


async def test_an_item_whose_task_has_expired_is_interrupted_and_the_round_goes_on(tasks: Tasks) -> None:
    expired, other = await tasks.batch("a"), await tasks.batch("b")
    for task in (expired, other):
        await tasks.begin(task.item_name(0))
    await tasks.lab.key_values.commit(Delete(key=task_key(ALICE, expired.id)))
    tasks.lab.clock.advance(LEASE + 1)
    await another_process(tasks).round()

    assert (await tasks.statuses(other), await tasks.lab.key_values.count(RUNNING)) == (["interrupted"], 0)


async def test_what_waits_is_lined_up_again_although_its_ticket_makes_somebody_elses_item(tasks: Tasks) -> None:
    tasks.lab.model.hold()
    theirs = await tasks.batch("b", owner=OwnerId("bob"))
    await tasks.tickets()
    tasks.lab.clock.advance(A_MOMENT)
    mine = await tasks.batch("a")
    async with tasks.working(concurrency=1):
        await tasks.lab.model.calls_begun(1)  # bob's item, with the one ticket that is left
        meanwhile = await tasks.statuses(theirs), await tasks.statuses(mine)
        for _ in range(2):
            tasks.lab.clock.advance(LINE_UP_AGAIN_SECONDS + A_MOMENT)
            await tasks.round()
        lined_up = await tasks.tickets()
        tasks.lab.model.release()

    assert meanwhile == (["processing"], ["queued"])
    assert lined_up == [mine.item_name(0).ticket(1, other=True)]
