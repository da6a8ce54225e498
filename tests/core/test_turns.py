"""Owners take turns, however much each of them has waiting."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.core.tasking import ALICE, Far, Tasks

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Delete, IndexRemove
from nano_banana_lab.core.tasks.keys import TURNS, ItemName, turn_key, waiting_index
from nano_banana_lab.core.tasks.task_moves import HANDED_OVER_SECONDS
from nano_banana_lab.core.tasks.turns import IDLE_SECONDS

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
