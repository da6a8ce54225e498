"""How the `TaskQueue` on Docket fails and recovers when Redis is away, hangs, refuses, or comes back empty."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue
from nano_banana_lab.core.tasks.ports import QueueState, QueueUnavailable
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.task_runs import Runs, until_state, working

REDELIVERY_SECONDS = 1.0

STREAM = "nbl:tasks:stream"

REFUSALS = {
    "OOM": [("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0)],
    "NOREPLICAS": [("CONFIG", "SET", "min-replicas-to-write", 1), ("CONFIG", "SET", "min-replicas-to-write", 0)],
    "NOPERM": [("ACL", "SETUSER", "default", "-@stream"), ("ACL", "SETUSER", "default", "+@stream")],
}
"""How to have the server refuse commands with such an answer, and how to end that."""

AN_OUTAGE = 1.5
"""Seconds after which the names of whoever gave no sign of life look abandoned."""


@pytest.fixture(scope="module")
def forgetful_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def lasting_server() -> Iterator[RedisServer]:
    with running_redis(appendonly=True) as server:
        yield server


@pytest.fixture
def server(lasting_server: RedisServer) -> RedisServer:
    """One that these tests may break, and that comes back with all it was told."""
    lasting_server.flush()
    return lasting_server


@pytest.fixture
async def queue(server: RedisServer) -> AsyncIterator[DocketTaskQueue]:
    queue = DocketTaskQueue(server.url, redelivery_seconds=REDELIVERY_SECONDS)
    yield queue
    await queue.aclose()


class TestCallers:
    async def test_a_server_that_is_down_is_unavailable_until_it_is_back(
        self, server: RedisServer, queue: DocketTaskQueue
    ):
        await queue.submit(["a"])
        server.stop()
        try:
            await everything_unavailable(queue)
        finally:
            server.start()

        await queue.submit(["b"])
        assert (await queue.state()).waiting == 2

    async def test_a_server_that_hangs_is_unavailable_within_five_seconds_however_many_ask(
        self, server: RedisServer, queue: DocketTaskQueue
    ):
        await queue.state()
        server.pause()
        try:
            async with asyncio.timeout(5):
                await everything_unavailable(queue, times=150)
        finally:
            server.resume()

        await queue.submit(["b"])
        assert (await queue.state()).waiting >= 1

    async def test_a_full_server_is_unavailable_for_submitting(self, server: RedisServer, queue: DocketTaskQueue):
        server.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            with pytest.raises(QueueUnavailable):
                await queue.submit(["a"])
        finally:
            server.ask("CONFIG", "SET", "maxmemory", 0)

        await queue.submit(["a"])
        assert (await queue.state()).waiting == 1


class TestWorkers:
    async def test_runs_go_on_through_an_outage_and_no_other_worker_is_given_their_names(
        self, server: RedisServer, queue: DocketTaskQueue
    ):
        long, others = Runs(held=True), Runs()
        await queue.submit(["long", "next"])
        async with working(queue, long, concurrency=1):
            await long.until_started(1)
            async with working(queue, others, concurrency=1):
                await others.until_ended(1)
                await outage(server)
                await asyncio.sleep(AN_OUTAGE)
                meanwhile = await queue.state()
                long.let_go()
                await until_state(queue, running=0)

        assert (meanwhile.waiting, meanwhile.running) == (0, 1)
        assert (long.ended, others.ended) == (["long"], ["next"])

    async def test_after_an_outage_whoever_lives_has_time_to_say_so(self, server: RedisServer):
        runs, queue = Runs(), DocketTaskQueue(server.url, redelivery_seconds=1.6)
        await queue.submit(["a"])
        server.ask("XGROUP", "CREATE", STREAM, "docket-workers", 0)
        [[_, [[message, _]]]] = server.ask("XREADGROUP", "GROUP", "docket-workers", "somebody", "STREAMS", STREAM, ">")
        async with working(queue, runs):
            await until_state(queue, workers=1)
            await outage(server, 2.0)
            await asyncio.sleep(0.4)
            server.ask("XCLAIM", STREAM, "docket-workers", "somebody", 0, message)
            await asyncio.sleep(0.8)
        await queue.aclose()

        assert runs.started == []

    async def test_what_waited_is_run_after_an_outage_also_beside_a_run_that_still_goes_on(
        self, server: RedisServer, queue: DocketTaskQueue
    ):
        runs = Runs(held=True)
        await queue.submit(["long"])
        async with working(queue, runs, concurrency=2):
            await runs.until_started(1)
            await outage(server, 0.5)
            await queue.submit(["new"])
            await runs.until_started(2)
            runs.let_go()
            await until_state(queue, waiting=0, running=0)

        assert runs.started == ["long", "new"]

    async def test_a_server_that_comes_back_empty_is_worked_on_and_nothing_is_run_twice_at_once(
        self, forgetful_server: RedisServer
    ):
        runs, queue = Runs(held=True), DocketTaskQueue(forgetful_server.url, redelivery_seconds=REDELIVERY_SECONDS)
        await queue.submit(["a"])
        async with working(queue, runs):
            await runs.until_started(1)
            await outage(forgetful_server, 0.5)
            await queue.submit(["a", "b"])
            await runs.until_started(2)
            await until_state(queue, running=2)
            runs.let_go()
            await until_state(queue, waiting=0, running=0)
        await queue.aclose()

        assert runs.started == ["a", "b"]

    async def test_a_hanging_server_costs_no_run_and_no_name(self, server: RedisServer, queue: DocketTaskQueue):
        runs = Runs(held=True)
        await queue.submit(["a"])
        async with working(queue, runs, concurrency=1):
            await runs.until_started(1)
            await queue.submit(["b"])
            server.pause()
            runs.let_go()
            await asyncio.sleep(AN_OUTAGE)
            server.resume()
            await runs.until_ended(2)
            await until_state(queue, waiting=0, running=0)

        assert runs.started == ["a", "b"]

    async def test_a_worker_that_begins_during_an_outage_works_after_it(
        self, server: RedisServer, queue: DocketTaskQueue
    ):
        runs = Runs()
        await queue.submit(["a"])
        server.stop()
        async with working(queue, runs):
            await asyncio.sleep(0.5)
            server.start()
            await runs.until_ended(1)

        assert runs.started == ["a"]

    async def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(
        self, server: RedisServer, queue: DocketTaskQueue, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.WARNING)
        async with working(queue, Runs()):
            await until_state(queue, workers=1)
            await outage(server, 1.0)
            await until_logged(caplog, "answers again")

        assert [record.getMessage() for record in caplog.records] == [
            "The task queue does not answer (ConnectionError); names wait, runs go on",
            "The task queue answers again",
        ]


@pytest.mark.parametrize("code", REFUSALS)
class TestRefusedWorkers:
    """What the server answers but refuses holds names up as long as it refuses, however long runs take."""

    async def test_what_waits_is_run_after_a_refusal_also_beside_a_run_that_still_goes_on(
        self, server: RedisServer, queue: DocketTaskQueue, caplog: pytest.LogCaptureFixture, code: str
    ):
        runs = Runs(held=True)
        await queue.submit(["long"])
        async with working(queue, runs, concurrency=2):
            await runs.until_started(1)
            with refusing(server, code):
                await until_logged(caplog, f"refuses ({code})")
            await queue.submit(["new"])
            await runs.until_started(2)
            runs.let_go()
            await until_state(queue, waiting=0, running=0)

        assert (runs.started, runs.cancelled) == (["long", "new"], [])

    async def test_no_other_worker_is_given_the_name_of_a_run_that_a_refusal_outlasts(
        self, server: RedisServer, queue: DocketTaskQueue, code: str
    ):
        long, others = Runs(held=True), Runs()
        await queue.submit(["long", "next"])
        async with working(queue, long, concurrency=1):
            await long.until_started(1)
            async with working(queue, others):
                await others.until_ended(1)
                with refusing(server, code):
                    await asyncio.sleep(AN_OUTAGE)
                await asyncio.sleep(AN_OUTAGE)
                long.let_go()
                await until_state(queue, running=0)

        assert (long.ended, others.ended) == (["long"], ["next"])

    async def test_a_run_that_ends_during_a_refusal_is_done(
        self, server: RedisServer, queue: DocketTaskQueue, code: str
    ):
        runs, others = Runs(held=True), Runs()
        await queue.submit(["a"])
        async with working(queue, runs, concurrency=1):
            await runs.until_started(1)
            async with working(queue, others):
                with refusing(server, code):
                    runs.let_go()
                    await runs.until_ended(1)
                    await asyncio.sleep(AN_OUTAGE)
                await until_state(queue, waiting=0, running=0)

        assert (runs.ended, others.started) == (["a"], [])

    async def test_a_refusal_is_logged_once_when_it_begins_and_once_when_it_ends(
        self, server: RedisServer, queue: DocketTaskQueue, caplog: pytest.LogCaptureFixture, code: str
    ):
        caplog.set_level(logging.WARNING)
        async with working(queue, Runs()):
            await until_state(queue, workers=1)
            with refusing(server, code):
                await until_logged(caplog, "refuses")
                await asyncio.sleep(AN_OUTAGE)
            await until_logged(caplog, "answers again")

        assert [record.getMessage() for record in caplog.records] == [
            f"The task queue refuses ({code}); names wait, runs go on",
            "The task queue answers again",
        ]


class TestEnding:
    async def test_a_worker_ends_during_an_outage_when_its_runs_have(self, server: RedisServer, queue: DocketTaskQueue):
        first, second = Runs(held=True), Runs()
        await queue.submit(["a", "b"])
        async with working(queue, first, concurrency=1) as worker:
            await first.until_started(1)
            server.stop()
            worker.cancel()
            await asyncio.sleep(0.5)
            still_running = not worker.done()
            first.let_go()
            async with asyncio.timeout(5):
                await asyncio.wait([worker])
        server.start()
        async with working(queue, second):
            await until_state(queue, waiting=0, running=0)

        assert still_running
        assert worker.cancelled()
        assert first.ended == ["a"]
        assert "b" in second.ended

    async def test_a_cancelled_worker_waits_for_its_runs_also_when_redis_had_refused_something(
        self, server: RedisServer, queue: DocketTaskQueue, caplog: pytest.LogCaptureFixture
    ):
        runs = Runs(held=True)
        await queue.submit(["a"])
        async with working(queue, runs) as worker:
            await runs.until_started(1)
            server.ask("CONFIG", "SET", "maxmemory", 1)
            await until_state(queue, workers=0)
            server.ask("CONFIG", "SET", "maxmemory", 0)
            worker.cancel()
            await asyncio.sleep(0.5)
            runs.let_go()
            await asyncio.wait([worker])

        assert (runs.cancelled, runs.ended) == ([], ["a"])
        assert await queue.state() == QueueState(waiting=0, running=0, workers=0)


async def outage(server: RedisServer, seconds: float = AN_OUTAGE) -> None:
    server.stop()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.start)


@contextmanager
def refusing(server: RedisServer, code: str) -> Iterator[None]:
    begin, end = REFUSALS[code]
    server.ask(*begin)
    try:
        yield
    finally:
        server.ask(*end)


async def everything_unavailable(queue: DocketTaskQueue, times: int = 1) -> None:
    calls = [call for _ in range(times) for call in (queue.submit(["a"]), queue.state())]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {QueueUnavailable}


async def until_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in caplog.text:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
