"""What every `TaskQueue` promises of those that work on it: how they share the names, and how they end."""

import asyncio

import pytest
from adapters_contract_tests.task_queues import InDocketOnRedis, InDocketsMemory, InMemory

from nano_banana_lab.core.tasks.ports import QueueState, TaskQueue
from nano_banana_lab.testing.task_runs import Runs, until_state, working


class Sharing:
    async def test_a_worker_runs_as_many_at_once_as_it_may_and_no_more(self, queue: TaskQueue):
        runs = Runs(held=True)
        await queue.submit([f"n{number}" for number in range(10)])
        async with working(queue, runs, concurrency=3):
            await runs.until_started(3)
            full = await queue.state()
            runs.let_go()
            await runs.until_ended(10)

        assert full == QueueState(waiting=7, running=3, workers=1)
        assert runs.most_at_once == 3

    async def test_workers_share_the_names(self, queue: TaskQueue, elsewhere: TaskQueue):
        here, there = Runs(held=True), Runs(held=True)
        async with working(queue, here, concurrency=2), working(elsewhere, there, concurrency=2):
            await until_state(queue, workers=2)
            await queue.submit(["a", "b", "c", "d", "e"])
            await asyncio.gather(here.until_started(2), there.until_started(2))
            full = await elsewhere.state()

        assert full == QueueState(waiting=1, running=4, workers=2)
        assert len({*here.started, *there.started}) == 4

    async def test_a_queue_without_workers_says_so(self, queue: TaskQueue, elsewhere: TaskQueue):
        before = await queue.state()
        async with working(elsewhere, Runs()):
            at_work = await until_state(queue, workers=1)
        after = await queue.state()

        assert [before.workers, at_work.workers, after.workers] == [0, 1, 0]

    async def test_however_long_a_run_takes_its_name_is_not_delivered_again(
        self, queue: TaskQueue, elsewhere: TaskQueue
    ):
        slow, idle = Runs(held=True), Runs()
        await queue.submit(["a", "b"])
        async with working(queue, slow):
            await slow.until_started(2)
            async with working(elsewhere, idle):
                await self.let_redelivery_pass()
                still = await queue.state()

        assert (still.running, sorted(slow.started), idle.started) == (2, ["a", "b"], [])


class Ending:
    async def test_a_cancelled_worker_waits_for_its_runs_and_takes_nothing_more(self, queue: TaskQueue):
        runs = Runs(held=True)
        await queue.submit(["a", "b", "c", "d"])
        async with working(queue, runs, concurrency=2) as worker:
            await runs.until_started(2)
            worker.cancel()
            meanwhile = await until_state(queue, workers=0)
            runs.let_go()
            await asyncio.wait([worker])

        assert (meanwhile.waiting, meanwhile.running) == (2, 2)
        assert worker.cancelled()
        assert sorted(runs.ended) == ["a", "b"]
        assert await queue.state() == QueueState(waiting=2, running=0, workers=0)

    async def test_what_a_cancelled_worker_still_runs_is_not_delivered_again(
        self, queue: TaskQueue, elsewhere: TaskQueue
    ):
        runs, idle = Runs(held=True), Runs()
        await queue.submit(["a", "b"])
        async with working(queue, runs) as worker:
            await runs.until_started(2)
            worker.cancel()
            async with working(elsewhere, idle):
                await self.let_redelivery_pass()
                runs.let_go()
                await asyncio.wait([worker])

        assert idle.started == []

    async def test_the_next_worker_takes_what_a_cancelled_one_left_waiting(self, queue: TaskQueue):
        first, second = Runs(held=True), Runs()
        await queue.submit(["a", "b", "c"])
        async with working(queue, first, concurrency=1) as worker:
            await first.until_started(1)
            worker.cancel()
            async with working(queue, second):
                await second.until_ended(2)
            first.let_go()
            await asyncio.wait([worker])

        assert (first.ended, sorted(second.ended)) == (["a"], ["b", "c"])

    async def test_a_worker_cancelled_twice_cancels_its_runs_and_the_next_gets_their_names(self, queue: TaskQueue):
        first, second = Runs(held=True), Runs()
        await queue.submit(["a", "b"])
        async with working(queue, first) as worker:
            await first.until_started(2)
            worker.cancel()
            await until_state(queue, workers=0)
            worker.cancel()
            await asyncio.wait([worker])
        async with working(queue, second):
            await second.until_ended(2)

        assert worker.cancelled()
        assert (sorted(first.cancelled), sorted(second.ended)) == (["a", "b"], ["a", "b"])

    @pytest.mark.parametrize("begun", [False, True])
    async def test_a_worker_with_nothing_to_do_ends_when_cancelled(self, queue: TaskQueue, *, begun: bool):
        async with working(queue, Runs()) as worker:
            if begun:
                await until_state(queue, workers=1)
            worker.cancel()
            await asyncio.wait([worker])

        assert worker.cancelled()
        assert (await queue.state()).workers == 0


class TestMemory(InMemory, Sharing, Ending): ...


class TestDocketsMemory(InDocketsMemory, Sharing, Ending): ...


class TestDocket(InDocketOnRedis, Sharing, Ending): ...
