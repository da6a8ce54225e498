"""Whatever happens to tasks in whatever order: the points add up, nothing is bought unasked, and everything ends."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.tasking import ALICE, Tasks

from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.tasks.keys import OPEN, QUEUED, RUNNING
from nano_banana_lab.core.tasks.task import Item, ItemStatus

POLICY = QuotaPolicy(enabled=True, cooldown_seconds=0, global_points=12)
STEPS = ["submit", "run", "fail", "block", "die", "cancel", "retry", "round", "redeliver", "wait"]


class World:
    """Some tasks, a living process, and the runs of processes that have died: they never go on and give no sign of life."""

    def __init__(self, open_lab: Any) -> None:
        self.tasks = Tasks(lab=open_lab(policy=POLICY))
        self.taken_on: list[Any] = []
        self.dead: list[asyncio.Task[None]] = []

    async def step(self, what: str, which: int) -> None:
        """Do it to one of the tasks; what is refused has changed nothing."""
        model = self.tasks.lab.model
        try:
            match what:
                case "submit":
                    self.taken_on.append(await self.tasks.batch(*map(str, range(1 + which % 3))))
                case "cancel" if self.taken_on:
                    await self.tasks.cancel(ALICE, self._task(which).id)
                case "retry" if self.taken_on:
                    await self.tasks.again(self._task(which))
                case "round":
                    self.tasks.lab.clock.advance(35)
                    await self.tasks.round()
                case "wait":
                    self.tasks.lab.clock.advance(which)
                case "die":
                    await self._die(await self._name(which))
                case "fail" | "block":
                    model.then(UpstreamFailed() if what == "fail" else ContentBlocked(reason="SAFETY"))
                    await self._run(await self._name(which))
                    model._script.clear()
                case _:
                    await self._run(await self._name(which, any_status=what == "redeliver"))
        except LabError:
            return

    async def items(self) -> list[Item]:
        return [item for task in self.taken_on for item in (await self.tasks.progress(task)).items]

    def _task(self, which: int) -> Any:
        return self.taken_on[which % len(self.taken_on)]

    async def _name(self, which: int, *, any_status: bool = False) -> str | None:
        found = [
            self.tasks.book.name(task, item.index).ticket(item.attempt)
            for task in self.taken_on
            for item in (await self.tasks.progress(task)).items
            if any_status or item.status is ItemStatus.QUEUED
        ]
        return found[which % len(found)] if found else None

    async def _run(self, name: str | None) -> None:
        if name is not None:
            await self.tasks.run_item(name)

    async def _die(self, name: str | None) -> None:
        if name is None:
            return
        self.tasks.lab.model.then(lambda _: asyncio.get_running_loop().create_future())
        asked = len(self.tasks.lab.model.requests)
        self.dead.append(asyncio.create_task(self.tasks.run_item(name)))
        await self.tasks.lab.model.calls_begun(asked + 1)
        self.tasks.run_item.running.clear()

    async def close(self) -> None:
        for run in self.dead:
            run.cancel()
        await self.tasks.lab.paid_calls.finish(0)
        await asyncio.gather(*self.dead, return_exceptions=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 8)), max_size=25))
async def test_the_points_add_up_and_everything_ends(open_lab: Any, steps: list[tuple[str, int]]) -> None:
    world = World(open_lab)
    try:
        for what, which in steps:
            await world.step(what, which)
            await points_add_up(world)
        for _ in range(2):
            await world.step("round", 0)
        while (name := await world._name(0)) is not None:
            await world.tasks.run_item(name)
        for _ in range(2):
            await world.step("round", 0)
        await everything_has_ended(world)
    finally:
        await world.close()


async def points_add_up(world: World) -> None:
    """A point is spent for each picture that is there, and set aside for each item that may still become one."""
    found = Counter(item.status for item in await world.items())
    usage = await world.tasks.lab.usage(ALICE)
    under_way = found[ItemStatus.QUEUED] + found[ItemStatus.PROCESSING]
    assert (usage.points - usage.points_set_aside, usage.points_set_aside) == (found[ItemStatus.COMPLETED], under_way)
    assert usage.points <= POLICY.global_points
    assert (await world.tasks.lab.history()).total == found[ItemStatus.COMPLETED]
    # One call for each attempt that was begun, and none besides.
    begun = [item.attempt - (item.status in (ItemStatus.QUEUED, ItemStatus.CANCELLED)) for item in await world.items()]
    assert len(world.tasks.lab.model.requests) == sum(begun)


async def everything_has_ended(world: World) -> None:
    """Nothing is under way any more, and nothing is left of what moved it."""
    await points_add_up(world)
    assert all(item.status.is_final for item in await world.items())
    assert [await world.tasks.lab.key_values.count(index) for index in (QUEUED, RUNNING, OPEN)] == [0, 0, 0]
