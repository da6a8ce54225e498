"""What every `TaskQueue` promises whoever submits names.

The suite beside this one is about workers: how they share the names, and how they end.
"""

import asyncio
import logging

import pytest
from adapters_contract_tests.task_queues import InDocketOnRedis, InDocketsMemory, InMemory

from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.testing.task_runs import Runs, until_state, working

HOSTILE_NAMES = [
    "4f1c:0",
    "stream",
    "queue",
    "workers",
    "runs:4f1c:0",
    "leases:redelivery-sweep",
    "*?[a-z]{}",
    "say \"hi\" \\ 'hello'",
    " ",
    "%s %00 \\x00 \\",
    "Case",
    "case",
    "x" * 200,
]

BAD_NAMES = ["", "x" * 201, "naïve", "🍌", "two\nlines", "nul\0", "tab\t", "\x7f"]


class Submitting:
    async def test_what_was_submitted_before_and_after_the_work_began_is_run_once(
        self, queue: TaskQueue, elsewhere: TaskQueue
    ):
        runs = Runs()
        await elsewhere.submit(["a", "b"])
        async with working(queue, runs):
            await runs.until_ended(2)
            await elsewhere.submit(["c"])
            await runs.until_ended(3)
            await until_state(queue, waiting=0, running=0)

        assert sorted(runs.started) == ["a", "b", "c"]

    async def test_names_are_taken_in_the_order_in_which_they_were_submitted(self, queue: TaskQueue):
        runs, names = Runs(), [f"n{number}" for number in range(12)]
        for start in (0, 4, 8):
            await queue.submit(names[start : start + 4])
        async with working(queue, runs, concurrency=1):
            await runs.until_ended(12)

        assert runs.started == names

    async def test_a_thousand_names_can_be_submitted_at_once(self, queue: TaskQueue):
        runs, names = Runs(), [f"n{number}" for number in range(1000)]
        await queue.submit(names)
        waiting = await queue.state()
        async with working(queue, runs, concurrency=100):
            await runs.until_ended(1000)
            await until_state(queue, waiting=0, running=0)

        assert waiting.waiting == 1000
        assert sorted(runs.started) == sorted(names)

    async def test_submitting_nothing_is_fine(self, queue: TaskQueue):
        await queue.submit([])

        assert (await queue.state()).waiting == 0

    async def test_a_name_that_waits_already_keeps_its_place(self, queue: TaskQueue, elsewhere: TaskQueue):
        runs = Runs()
        await queue.submit(["a", "b", "a"])
        await elsewhere.submit(["b", "c", "a"])
        async with working(queue, runs, concurrency=1):
            await runs.until_ended(3)
            await until_state(queue, waiting=0, running=0)

        assert runs.started == ["a", "b", "c"]

    async def test_a_name_that_is_being_run_is_not_lined_up_again(self, queue: TaskQueue, elsewhere: TaskQueue):
        runs = Runs(held=True)
        await queue.submit(["a"])
        async with working(queue, runs):
            await runs.until_started(1)
            await queue.submit(["a", "b"])
            await elsewhere.submit(["a"])
            runs.let_go()
            await runs.until_ended(2)
            await until_state(queue, waiting=0, running=0)

        assert runs.started == ["a", "b"]

    async def test_a_name_can_be_submitted_again_as_soon_as_its_run_has_ended(self, queue: TaskQueue):
        runs = Runs()
        async with working(queue, runs):
            for round_ in range(1, 6):
                await queue.submit(["a"])
                await runs.until_ended(round_)
                await until_state(queue, waiting=0, running=0)

        assert runs.started == ["a"] * 5

    async def test_of_racing_submissions_of_a_name_one_counts(self, queue: TaskQueue, elsewhere: TaskQueue):
        runs, names = Runs(), [f"n{number}" for number in range(50)]
        await asyncio.gather(*[each.submit(names) for each in [queue, elsewhere] * 4])
        async with working(queue, runs):
            await runs.until_ended(50)
            await until_state(queue, waiting=0, running=0)

        assert sorted(runs.started) == sorted(names)

    async def test_every_printable_name_is_delivered_as_it_is(self, queue: TaskQueue):
        runs = Runs()
        await queue.submit(HOSTILE_NAMES)
        async with working(queue, runs):
            await runs.until_ended(len(HOSTILE_NAMES))
            await until_state(queue, waiting=0, running=0)

        assert sorted(runs.started) == sorted(HOSTILE_NAMES)

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    async def test_what_is_no_name_is_refused_together_with_its_company(self, queue: TaskQueue, name: str):
        with pytest.raises(ValueError, match="name"):
            await queue.submit(["fine", name])

        assert (await queue.state()).waiting == 0


class Failing:
    async def test_a_run_that_raises_is_logged_and_done(self, queue: TaskQueue, caplog: pytest.LogCaptureFixture):
        names = list[str]()

        async def fail(name: str) -> None:
            names.append(name)
            raise RuntimeError(f"no picture for {name}")

        async with working(queue, fail):
            for _ in range(2):
                await queue.submit(["4f1c:0"])
                await until_state(queue, waiting=0, running=0)

        assert names == ["4f1c:0"] * 2
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert ["4f1c:0" in record.getMessage() and record.exc_info is not None for record in errors] == [True] * 2

    async def test_a_run_that_gives_itself_up_is_done_too(self, queue: TaskQueue):
        runs = Runs()

        async def give_up(name: str) -> None:
            await runs(name)
            raise asyncio.CancelledError

        async with working(queue, give_up):
            await queue.submit(["a", "b"])
            await runs.until_ended(2)
            await until_state(queue, waiting=0, running=0)

        assert sorted(runs.started) == ["a", "b"]


class TestMemory(InMemory, Submitting, Failing): ...


class TestDocketsMemory(InDocketsMemory, Submitting, Failing): ...


class TestDocket(InDocketOnRedis, Submitting, Failing): ...
