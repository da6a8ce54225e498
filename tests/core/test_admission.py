"""Who may ask the model now, and who is next."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_banana_lab.core.generation.admission import Admission, Overloaded
from nano_banana_lab.core.shared.ids import OwnerId

ALICE, BOB, CAROL = OwnerId("alice"), OwnerId("bob"), OwnerId("carol")


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


class Visitors:
    """Tasks that take a place, stay until told to leave, and note the order in which they came in."""

    def __init__(self, *, concurrent: int, waiting: int = 1000) -> None:
        self.admission = Admission(concurrent=concurrent, waiting=waiting)
        self.came_in: list[str] = []
        self.inside = self.most_inside = 0
        self.all: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    def arrive(self, owner: OwnerId, name: str = "", *, patient: bool = False) -> int:
        may_go = asyncio.Event()
        self.all.append((asyncio.create_task(self._visit(owner, name or owner, may_go, patient=patient)), may_go))
        return len(self.all) - 1

    async def _visit(self, owner: OwnerId, name: str, may_go: asyncio.Event, *, patient: bool) -> None:
        async with self.admission.place(owner, patient=patient):
            self.came_in.append(name)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            try:
                await may_go.wait()
            finally:
                self.inside -= 1

    def leave(self, number: int) -> None:
        self.all[number][1].set()

    def cancel(self, number: int) -> None:
        self.all[number][0].cancel()

    async def all_leave(self) -> list[BaseException | None]:
        for number in range(len(self.all)):
            self.leave(number)
        return await asyncio.gather(*(task for task, _ in self.all), return_exceptions=True)


async def test_never_more_than_the_limit_are_inside_at_once() -> None:
    visitors = Visitors(concurrent=3)
    for number in range(20):
        visitors.arrive(OwnerId(f"owner-{number % 4}"))
    await settle()
    await visitors.all_leave()

    assert visitors.most_inside == 3
    assert len(visitors.came_in) == 20


async def test_without_others_waiting_one_owner_may_have_every_place() -> None:
    visitors = Visitors(concurrent=5, waiting=0)
    for _ in range(5):
        visitors.arrive(ALICE)
    await settle()

    assert visitors.inside == 5
    await visitors.all_leave()


async def test_a_full_waiting_room_is_overloaded_and_says_when_to_come_back() -> None:
    visitors = Visitors(concurrent=1, waiting=1)
    visitors.arrive(ALICE)
    visitors.arrive(ALICE)
    await settle()
    with pytest.raises(Overloaded) as refused:
        async with visitors.admission.place(BOB):
            pass

    assert refused.value.retry_after == 10
    assert visitors.admission.waiting == 1
    await visitors.all_leave()


async def test_who_was_refused_took_no_place() -> None:
    visitors = Visitors(concurrent=1, waiting=0)
    visitors.arrive(ALICE)
    await settle()
    refused = visitors.arrive(BOB)
    await settle()
    visitors.leave(0)
    await settle()
    visitors.arrive(CAROL)
    await settle()

    assert isinstance(visitors.all[refused][0].exception(), Overloaded)
    assert visitors.came_in == ["alice", "carol"]
    await visitors.all_leave()


async def test_the_patient_wait_however_full_the_room_is() -> None:
    visitors = Visitors(concurrent=1, waiting=0)
    visitors.arrive(ALICE)
    await settle()
    visitors.arrive(BOB, patient=True)
    await settle()
    visitors.leave(0)
    await settle()

    assert visitors.came_in == ["alice", "bob"]
    await visitors.all_leave()


async def test_one_greedy_owner_delays_another_by_one_turn_at_most() -> None:
    visitors = Visitors(concurrent=1)
    for _ in range(51):
        visitors.arrive(ALICE)
    await settle()
    visitors.arrive(BOB)
    await settle()
    for number in range(2):
        visitors.leave(number)
        await settle()

    assert visitors.came_in == ["alice", "alice", "bob"]
    await visitors.all_leave()


async def test_waiting_owners_take_turns_each_in_their_own_order() -> None:
    visitors = Visitors(concurrent=1)
    for name in ("a0", "a1", "a2", "a3"):
        visitors.arrive(ALICE, name)
    for name in ("b1", "b2"):
        visitors.arrive(BOB, name)
    visitors.arrive(CAROL, "c1")
    await settle()
    await visitors.all_leave()

    assert visitors.came_in == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]


async def test_a_failing_body_gives_its_place_back() -> None:
    admission = Admission(concurrent=1, waiting=0)
    with suppress(ZeroDivisionError):
        async with admission.place(ALICE):
            raise ZeroDivisionError

    async with admission.place(BOB):
        assert admission.waiting == 0


async def cancelled_while_waiting(visitors: Visitors) -> None:
    visitors.cancel(1)
    await settle()
    visitors.leave(0)


async def cancelled_just_after_being_granted(visitors: Visitors) -> None:
    visitors.leave(0)
    while visitors.inside:  # noqa: ASYNC110  the very step counts, not what comes after an event
        await asyncio.sleep(0)
    visitors.cancel(1)


async def cancelled_just_before_being_granted(visitors: Visitors) -> None:
    visitors.leave(0)
    await asyncio.sleep(0)  # the holder wakes up behind this task, in the same step as the cancellation
    visitors.cancel(1)


async def cancelled_as_the_holder_is_cancelled(visitors: Visitors) -> None:
    visitors.cancel(0)
    visitors.cancel(1)


@pytest.mark.parametrize(
    "give_up",
    [
        cancelled_while_waiting,
        cancelled_just_after_being_granted,
        cancelled_just_before_being_granted,
        cancelled_as_the_holder_is_cancelled,
    ],
)
async def test_who_gives_up_hands_the_place_on(give_up: Callable[[Visitors], Awaitable[None]]) -> None:
    visitors = Visitors(concurrent=1)
    for owner in (ALICE, BOB, CAROL):
        visitors.arrive(owner)
    await settle()
    await give_up(visitors)
    await settle()

    assert visitors.inside == 1
    assert visitors.came_in[-1] == "carol"
    assert visitors.admission.waiting == 0
    await visitors.all_leave()


async def test_who_gives_up_does_not_cost_the_owner_a_turn() -> None:
    visitors = Visitors(concurrent=1)
    for owner, name in ((CAROL, "c"), (ALICE, "a1"), (ALICE, "a2"), (BOB, "b1")):
        visitors.arrive(owner, name)
    await settle()
    visitors.cancel(0)
    visitors.cancel(1)
    await settle()

    assert visitors.came_in == ["c", "a2"]
    await visitors.all_leave()


actions = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 2)),
    st.tuples(st.just("leave"), st.integers(0, 6)),
    st.tuples(st.just("cancel"), st.integers(0, 6)),
    st.tuples(st.just("step"), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(limit=st.integers(1, 2), script=st.lists(actions, max_size=40))
def test_in_any_interleaving_places_are_neither_lost_nor_doubled(limit: int, script: list[tuple[str, int]]) -> None:
    asyncio.run(play(limit, script))


async def play(limit: int, script: list[tuple[str, int]]) -> None:
    visitors, gone = Visitors(concurrent=limit), set[int]()
    for action, number in script:
        if action == "arrive":
            visitors.arrive(OwnerId(f"owner-{number}"))
        elif action == "step":
            await asyncio.sleep(0)
        elif visitors.all:
            number %= len(visitors.all)  # noqa: PLW2901  any number means some visitor
            gone.add(number)
            (visitors.leave if action == "leave" else visitors.cancel)(number)
    await settle()
    here = [task for task, _ in visitors.all if not task.done()]
    # Who was told to leave before coming in still comes in, and leaves at once; the others fill the places.
    assert min(limit, len(visitors.all) - len(gone)) == visitors.inside == min(limit, len(here))

    endings = await visitors.all_leave()
    assert {type(ending) for ending in endings} <= {type(None), asyncio.CancelledError}
    assert visitors.most_inside <= limit
    assert visitors.admission.waiting == 0

    for _ in range(limit + 1):
        visitors.arrive(ALICE)
    await settle()
    assert visitors.inside == limit
    await visitors.all_leave()


async def test_patient_callers_take_no_room_from_the_others() -> None:
    admission = Admission(concurrent=1, waiting=1)
    over = asyncio.Event()

    async def visit(owner: str, *, patient: bool) -> None:
        async with admission.place(OwnerId(owner), patient=patient):
            await over.wait()

    batch = [asyncio.create_task(visit("batch", patient=True)) for _ in range(5)]
    await asyncio.sleep(0)
    visitor = asyncio.create_task(visit("visitor", patient=False))
    await asyncio.sleep(0)

    assert admission.waiting == 5
    over.set()
    await asyncio.gather(visitor, *batch)
    assert admission.waiting == 0
