"""Whatever happens to tasks in whatever order: the points add up, nothing is bought unasked, and everything ends."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING, TURNS, waiting_index
from nano_banana_lab.core.tasks.task import Item, ItemStatus

POLICY = QuotaPolicy(enabled=True, cooldown_seconds=0, global_points=12)
STEPS = ["submit", "run", "fail", "block", "die", "cancel", "retry", "round", "redeliver", "wait", "outage", "lose"]
OWNERS = (ALICE, OwnerId("bob"))


class World:
    """Some tasks of two owners, a living process, and the runs of processes that have died: they never go on.

    A run takes any ticket of the queue, not only the first one, as many workers do.
    """

    def __init__(self, open_lab: Any) -> None:
        self.tasks = Tasks(lab=open_lab(policy=POLICY))
        self.taken_on: list[Any] = []
        self.dead: list[asyncio.Task[None]] = []
        self.used: list[str] = []

    async def step(self, what: str, which: int) -> None:
        """Do it to one of the tasks, or with one of the tickets; what is refused has changed nothing."""
        with contextlib.suppress(LabError):
            match what:
                case "submit":
                    prompts = map(str, range(1 + which % 3))
                    self.taken_on.append(await self.tasks.batch(*prompts, owner=OWNERS[which % 2]))
                case "cancel" if self.taken_on:
                    await self.tasks.cancel(self._task(which).owner, self._task(which).id)
                case "retry" if self.taken_on:
                    await self.tasks.again(self._task(which))
                case "round":
                    self.tasks.lab.clock.advance(35)
                    await self.tasks.round()
                case "wait":
                    self.tasks.lab.clock.advance(which)
                case "lose":
                    self.tasks.queue._waiting.clear()
                case "redeliver" if self.used:
                    await self.tasks.run_item(self.used[which % len(self.used)])
                case _ if ticket := self._ticket(which):
                    await self._deliver(ticket, what)

    async def items(self) -> list[Item]:
        return [item for task in self.taken_on for item in (await self.tasks.progress(task)).items]

    def _task(self, which: int) -> Any:
        return self.taken_on[which % len(self.taken_on)]

    def _ticket(self, which: int) -> str | None:
        """One that the queue delivers."""
        waiting = list(self.tasks.queue._waiting)
        if not waiting:
            return None
        ticket = waiting[which % len(waiting)]
        del self.tasks.queue._waiting[ticket]
        self.used.append(ticket)
        return ticket

    async def _deliver(self, ticket: str, what: str) -> None:
        """What becomes of the item that is begun with it."""
        match what:
            case "die":
                await self._die(ticket)
            case "outage":
                await self._fail_before_the_model_is_asked(ticket)
            case "fail" | "block":
                self.tasks.lab.model.then(UpstreamFailed() if what == "fail" else ContentBlocked(reason="SAFETY"))
                await self.tasks.run_item(ticket)
                self.tasks.lab.model._script.clear()
            case _:
                await self.tasks.run_item(ticket)

    async def _fail_before_the_model_is_asked(self, ticket: str) -> None:
        answers = iter([None, StoreUnavailable("blob store")])

        async def require() -> None:
            if error := next(answers, None):
                raise error

        with pytest.MonkeyPatch.context() as outage:
            outage.setattr(self.tasks.begin.stores, "require", require)
            await self.tasks.run_item(ticket)

    async def _die(self, ticket: str) -> None:
        """Somebody else begins what the ticket is good for, if anything, and is never heard of again."""
        model, asked = self.tasks.lab.model, len(self.tasks.lab.model.requests)
        model.then(lambda _: asyncio.get_running_loop().create_future())
        run = asyncio.create_task(self.tasks.run_item(ticket))
        begun = asyncio.create_task(model.calls_begun(asked + 1))
        await asyncio.wait([run, begun], return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        model._script.clear()
        self.dead += [] if run.done() else [run]
        self.tasks.run_item.running.clear()

    async def close(self) -> None:
        for run in self.dead:
            run.cancel()
        await self.tasks.lab.paid_calls.finish(0)
        await asyncio.gather(*self.dead, return_exceptions=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 8)), max_size=25))
async def test_the_points_add_up_and_everything_ends(open_lab: Any, steps: list[tuple[str, int]]) -> None:
    world, forgetful = World(open_lab), {"lose", "outage"}
    try:
        for what, which in steps:
            await world.step(what, which)
            await points_add_up(world)
            if not forgetful.intersection(step for step, _ in steps):
                await there_is_a_ticket_for_each_item(world)
        for _ in range(3):
            await world.step("round", 0)
            while world.tasks.queue._waiting:
                await world.step("run", 0)
        for _ in range(2):
            await world.step("round", 0)
        await everything_has_ended(world)
    finally:
        await world.close()


async def there_is_a_ticket_for_each_item(world: World) -> None:
    """Whatever waits is begun as soon as there is room for it, without anybody having to look."""
    waiting = sum(item.status is ItemStatus.QUEUED for item in await world.items())
    assert len(world.tasks.queue._waiting) >= waiting


async def points_add_up(world: World) -> None:
    """A point is spent for each picture that is there, and set aside for each item that may still become one."""
    found = Counter(item.status for item in await world.items())
    usage = await world.tasks.lab.usage(ALICE)
    under_way = found[ItemStatus.QUEUED] + found[ItemStatus.PROCESSING]
    assert (usage.points - usage.points_set_aside, usage.points_set_aside) == (found[ItemStatus.COMPLETED], under_way)
    assert usage.points <= POLICY.global_points
    pictures = [(await world.tasks.lab.history(owner)).total for owner in OWNERS]
    assert sum(pictures) == found[ItemStatus.COMPLETED]
    # One call for each attempt that was begun, and none besides.
    begun = [item.attempt - (item.status in (ItemStatus.QUEUED, ItemStatus.CANCELLED)) for item in await world.items()]
    assert len(world.tasks.lab.model.requests) == sum(begun)


async def everything_has_ended(world: World) -> None:
    """Nothing is under way any more, and nothing is left of what moved it."""
    await points_add_up(world)
    assert all(item.status.is_final for item in await world.items())
    indexes = (QUEUED, RUNNING, OPEN, TURNS, *map(waiting_index, OWNERS))
    assert [await world.tasks.lab.key_values.count(index) for index in indexes] == [0] * len(indexes)
