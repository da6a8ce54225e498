"""Owners take turns, however much each of them has waiting."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.core.tasking import ALICE, Far, Tasks, another_process

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Delete, IndexPut, IndexRemove
from nano_banana_lab.core.storage.ports import Entry
from nano_banana_lab.core.tasks.keys import QUEUED, RUNNING, TURNS, ItemName, task_key, turn_key, waiting_index
from nano_banana_lab.core.tasks.task_moves import HANDED_OVER_SECONDS, UNFINISHED_SECONDS
from nano_banana_lab.core.tasks.turns import A_FEW, IDLE_SECONDS

BOB, CAROL = OwnerId("bob"), OwnerId("carol")


@pytest.fixture
def tasks(lab: Any) -> Tasks:
    return Tasks(lab=lab)


def made(tasks: Tasks) -> list[str]:
    """The prompts in the order in which their pictures were begun."""
    return [request.turns[-1].parts[-1].text for request in tasks.lab.model.requests]


async def works_through(tasks: Tasks, count: int) -> list[str]:
    """What was made with the next so many tickets, one after the other, a second each."""
    before = len(made(tasks))
    for _ in range(count):
        tasks.lab.clock.advance(1)
        ticket, _ = tasks.queue._waiting.popitem(last=False)
        await tasks.run_item(ticket)
    return made(tasks)[before:]


async def in_line(tasks: Tasks) -> list[str]:
    return list((await tasks.turns.line()).owners)


async def test_one_picture_does_not_wait_for_a_large_batch_of_somebody_else(tasks: Tasks) -> None:
    tasks.lab.model.hold()
    large = await tasks.batch(*(f"a{number}" for number in range(200)))
    async with tasks.working(concurrency=4):
        await tasks.lab.model.calls_begun(4)
        small = await tasks.batch("b", owner=BOB)
        tasks.lab.model.release()
        await tasks.done(small)
        await tasks.done(large)

    assert made(tasks).index("b") <= 5
    assert Counter(made(tasks)).most_common(1) == [("a0", 1)]


async def test_everybody_has_a_picture_begun_before_anybody_has_another(tasks: Tasks) -> None:
    for owner in (ALICE, BOB, CAROL):
        await tasks.batch(*owner[0] * 4, owner=owner)
    order = await works_through(tasks, 12)

    assert [sorted(order[at : at + 3]) for at in (0, 3, 6, 9)] == [["a", "b", "c"]] * 4


async def test_who_comes_again_and_again_does_not_push_in(tasks: Tasks) -> None:
    await tasks.batch(*"aaaaa")
    order = []
    for _ in range(5):
        await tasks.batch("b", owner=BOB)
        order += await works_through(tasks, 2)

    assert Counter(order) == {"a": 5, "b": 5}


async def test_who_submits_all_the_time_loses_no_place_by_it(tasks: Tasks) -> None:
    await tasks.batch(*"bb", owner=BOB)
    await works_through(tasks, 1)
    await tasks.batch(*"aa")
    order = []
    for _ in range(3):
        await tasks.batch("b", owner=BOB)
        order += await works_through(tasks, 1)

    assert order == ["a", "b", "a"]


async def test_the_items_of_one_owner_come_in_their_order(tasks: Tasks) -> None:
    await tasks.batch(*(f"a{number}" for number in range(12)))
    await tasks.batch(*"bbb", owner=BOB)
    order = await works_through(tasks, 15)

    assert [prompt for prompt in order if prompt != "b"] == [f"a{number}" for number in range(12)]


async def test_a_ticket_whose_item_was_begun_with_another_one_is_good_for_what_waits(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    first, *_ = await tasks.tickets()
    for _ in range(3):
        await tasks.run_item(first)

    assert await tasks.statuses(task) == ["completed"] * 3


async def test_a_ticket_too_many_does_nothing(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [ticket] = await tasks.tickets()
    for _ in range(2):
        await tasks.run_item(ticket)

    assert (made(tasks), await tasks.statuses(task)) == (["a"], ["completed"])


@pytest.mark.parametrize("text", ["", "alice", "alice/1/2", "alice/1/2/x", "a/b/c/1/1"])
async def test_what_is_no_ticket_is_refused(tasks: Tasks, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words do not matter
        await tasks.run_item(text)


def test_each_attempt_has_a_ticket_of_its_own() -> None:
    name = ItemName(ALICE, "0" * 32, 7)
    tickets = [name.ticket(attempt) for attempt in range(1, 4)]

    assert len(set(tickets)) == 3
    assert {ItemName.of_ticket(ticket) for ticket in tickets} == {name}


async def test_what_is_tried_again_starts_although_the_run_before_is_not_over(tasks: Tasks) -> None:
    tasks.lab.model.then(UpstreamFailed())
    task = await tasks.batch("a")
    [before] = await tasks.tickets()
    tasks.queue._running.add(before)  # its end has not been recorded
    await tasks.run_item(before)
    await tasks.again(task)

    assert (await tasks.worked_off(task)).status.value == "completed"


async def test_whoever_finds_nothing_waiting_takes_the_owner_out_of_the_line(tasks: Tasks) -> None:
    await tasks.batch("a")
    await tasks.batch("b", owner=BOB)
    tickets = await tasks.tickets()
    for ticket in (*tickets, tickets[0]):
        await tasks.run_item(ticket)

    assert await in_line(tasks) == []
    assert await tasks.lab.key_values.get_many([turn_key(ALICE), turn_key(BOB)]) == [None, None]


async def test_an_owner_who_has_long_had_nothing_waiting_is_taken_out(tasks: Tasks) -> None:
    await tasks.worked_off(await tasks.batch("a"))
    await tasks.batch("b", owner=BOB)
    tasks.lab.clock.advance(IDLE_SECONDS + 1)
    await tasks.round()

    assert await in_line(tasks) == [BOB]


async def test_something_that_comes_while_its_owner_is_taken_out_is_not_forgotten(tasks: Tasks) -> None:
    await tasks.batch("a")  # before which somebody has seen that nothing waits, and enters nobody who stands there
    await tasks.turns.leave(ALICE)

    assert await in_line(tasks) == [ALICE]


async def test_who_was_lost_from_the_line_comes_back_with_the_next_round(tasks: Tasks) -> None:
    await tasks.batch("a")
    await tasks.lab.key_values.commit(Delete(key=turn_key(ALICE)), IndexRemove(index=TURNS, member=ALICE))
    lost = await in_line(tasks)
    tasks.lab.clock.advance(HANDED_OVER_SECONDS + 1)
    await tasks.round()

    assert (lost, await in_line(tasks)) == ([], [ALICE])


@pytest.mark.parametrize("ahead", [0.3, -0.3, 4.9])
async def test_what_comes_from_a_process_with_another_clock_has_its_turn_at_once(tasks: Tasks, ahead: float) -> None:
    await tasks.batch(*"aaaa")
    await works_through(tasks, 1)
    await another_process(tasks, ahead=ahead, queue=tasks.queue).batch("b", owner=BOB)

    assert "b" in await works_through(tasks, 2)


async def test_who_has_something_that_may_not_be_begun_yet_is_passed_over_and_keeps_the_place(tasks: Tasks) -> None:
    other = another_process(tasks, ahead=60, queue=tasks.queue)
    await other.batch("b", owner=BOB)
    await tasks.lab.key_values.commit(IndexPut(index=TURNS, member=BOB, score=0))
    await tasks.batch(*"aaa")
    meanwhile = await works_through(tasks, 2)
    [first, *_] = (await tasks.lab.key_values.page(TURNS, limit=2, newest_first=False)).entries
    assert (meanwhile, first) == (["a", "a"], Entry(0, BOB))

    tasks.lab.clock.advance(60)
    assert await works_through(tasks, 1) == ["b"]


async def test_however_many_have_to_wait_who_stands_behind_them_does_not(tasks: Tasks) -> None:
    other = another_process(tasks, ahead=60)
    for number in range(2 * A_FEW):
        await other.batch("later", owner=OwnerId(f"owner-{number}"))
        await tasks.lab.key_values.commit(IndexPut(index=TURNS, member=f"owner-{number}", score=number))
    await tasks.batch("a")
    await tasks.run_item((await other.tickets())[0])

    assert made(tasks) == ["a"]


async def test_who_has_had_a_turn_stands_behind_everybody_whatever_the_clocks_say(tasks: Tasks) -> None:
    other, owners = another_process(tasks, ahead=4, queue=tasks.queue), [OwnerId(f"owner-{n:02}") for n in range(20)]
    for owner in owners:
        await other.batch(*[owner] * 3, owner=owner)
        tasks.lab.clock.advance(0.02)
    for ticket in (await tasks.tickets())[:20]:
        await tasks.run_item(ticket)

    assert made(tasks) == owners


async def test_an_entry_of_what_does_not_wait_costs_one_look_and_goes(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    [item] = (await tasks.progress(task)).items
    name = task.item_name(0)
    await tasks.cancel(ALICE, task.id)
    await tasks.lab.key_values.commit(tasks.book.moves.ready(name, item))  # by whoever had not seen that
    await tasks.turns.enter([ALICE])
    await tasks.batch("b", owner=BOB)

    assert await works_through(tasks, 2) == ["b"]
    assert await tasks.lab.key_values.count(waiting_index(ALICE)) == 0


async def test_what_has_expired_leaves_no_entries_behind(tasks: Tasks) -> None:
    task = await tasks.batch("a", "b")
    await tasks.lab.key_values.commit(Delete(key=task_key(ALICE, task.id)))
    for ticket in await tasks.tickets():
        await tasks.run_item(ticket)

    assert [await tasks.lab.key_values.count(index) for index in (QUEUED, waiting_index(ALICE), RUNNING)] == [0] * 3


async def test_an_item_is_not_kept_for_longer_than_its_task(tasks: Tasks) -> None:
    task = await tasks.batch("a")
    tasks.lab.clock.advance(UNFINISHED_SECONDS - 60)
    begun = await tasks.begin(task.item_name(0))
    assert begun is not None
    await tasks.begin.put_back(begun)
    tasks.lab.clock.advance(60)

    assert await tasks.lab.key_values.get(task.item_name(0).key) is None


async def test_what_is_cancelled_is_nobodys_turn(tasks: Tasks) -> None:
    task = await tasks.batch(*"abc")
    await tasks.batch("b", owner=BOB)
    await tasks.cancel(ALICE, task.id)
    order = await works_through(tasks, 1)

    assert (order, await in_line(tasks)) == (["b"], [BOB])
    assert await tasks.lab.key_values.count(waiting_index(ALICE)) == 0


async def test_processes_that_choose_at_the_same_time_choose_different_items(open_lab: Any) -> None:
    lab = open_lab()
    shared = {"clock": lab.clock, "key_values": Far(lab.key_values), "blobs": lab.blobs, "model": lab.model}
    processes = [Tasks(lab=open_lab(**shared)) for _ in range(4)]
    submitted = [await processes[0].batch(*map(str, range(20)), owner=owner) for owner in (ALICE, BOB, CAROL)]
    tickets = await processes[0].tickets()
    await asyncio.gather(*(processes[at % 4].run_item(ticket) for at, ticket in enumerate(tickets)))

    assert [await processes[0].statuses(task) for task in submitted] == [["completed"] * 20] * 3
    assert len(lab.model.requests) == 60


async def test_with_one_owner_the_line_and_what_waits_are_read_once_for_each_item(
    tasks: Tasks, unreliable: Any, mishap: Any
) -> None:
    task = await tasks.batch(*map(str, range(10)))
    reads = mishap(AssertionError(), "page", at=100)
    tasks.book.__dict__["key_values"] = unreliable(tasks.lab.key_values, reads)
    order = await works_through(tasks, 10)

    assert reads.seen == 2 * 10
    assert (order, await tasks.statuses(task)) == ([*map(str, range(10))], ["completed"] * 10)
