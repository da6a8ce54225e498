"""What is peculiar to the `TaskQueue` on Docket: dead processes, what stays in Redis, what gets into the log."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from nano_banana_lab.adapters.docket import worker
from nano_banana_lab.adapters.docket.task_queue import REDELIVERY_SECONDS as DEFAULT_REDELIVERY_SECONDS
from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue
from nano_banana_lab.core.tasks.ports import QueueState, QueueUnavailable
from nano_banana_lab.testing.child_process import free_port
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.task_runs import Runs, until_state, working

REDELIVERY_SECONDS = 1.0

PASSWORD = "hunter2/#@:%41"
PASSWORD_IN_A_URL = "hunter2%2F%23%40%3A%2541"


@pytest.fixture
async def queue(redis_server: RedisServer) -> AsyncIterator[DocketTaskQueue]:
    redis_server.flush()
    queue = DocketTaskQueue(redis_server.url, redelivery_seconds=REDELIVERY_SECONDS)
    yield queue
    await queue.aclose()


class TestDeadProcesses:
    async def test_a_killed_workers_names_and_those_that_waited_behind_them_are_all_delivered_anew(
        self, queue: DocketTaskQueue, redis_server: RedisServer
    ):
        names, runs = [f"n{number}" for number in range(20)], Runs()
        with worker_process(redis_server.url, concurrency=5) as process:
            await queue.submit(names)
            begun = await asyncio.to_thread(lambda: [process.stdout.readline().strip() for _ in range(5)])
            process.kill()
        async with asyncio.timeout(30), working(queue, runs):
            await runs.until_ended(20)
            await until_state(queue, waiting=0, running=0)

        assert sorted(begun) == sorted(names[:5])
        assert sorted(runs.started) == sorted(names)

    async def test_a_name_that_a_killed_worker_ran_cannot_be_submitted_twice(
        self, queue: DocketTaskQueue, redis_server: RedisServer
    ):
        runs = Runs()
        with worker_process(redis_server.url, concurrency=1) as process:
            await queue.submit(["a"])
            await asyncio.to_thread(process.stdout.readline)
            process.kill()
        await queue.submit(["a"])
        async with asyncio.timeout(30), working(queue, runs):
            await runs.until_ended(1)
            await until_state(queue, waiting=0, running=0)

        assert runs.started == ["a"]

    def test_by_default_redelivery_takes_less_than_half_a_minute(self):
        """Its timeout, a sweep every 1.25 quarters of it, and a sweep missed because somebody else was about to."""
        assert DEFAULT_REDELIVERY_SECONDS * (1 + 2 * 1.25 / 4) < 30

    async def test_workers_that_are_no_more_are_forgotten(
        self, queue: DocketTaskQueue, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ):
        async with working(queue, Runs()):
            await until_state(queue, workers=1)
        monkeypatch.setattr(worker, "_FORGOTTEN_AFTER", timedelta(0))
        redis_server.ask("XGROUP", "CREATECONSUMER", "nbl:tasks:stream", "docket-workers", "dead")
        async with working(queue, Runs()):
            await until_state(queue, workers=1)
            await until(lambda: len(redis_server.ask("XINFO", "CONSUMERS", "nbl:tasks:stream", "docket-workers")) == 1)


class TestWhatStays:
    async def test_what_a_name_leaves_in_redis_dies(self, queue: DocketTaskQueue, redis_server: RedisServer):
        runs = Runs()
        async with working(queue, runs, concurrency=50):
            await queue.submit([f"n{number}" for number in range(200)])
            await runs.until_ended(200)
            await until_state(queue, waiting=0, running=0)

        lasting = [key for key in redis_server.ask("KEYS", "*") if redis_server.ask("TTL", key) == -1]
        assert lasting == [b"nbl:tasks:stream"]
        assert redis_server.ask("XLEN", "nbl:tasks:stream") == 0

    async def test_in_memory_a_name_leaves_nothing(self):
        runs, queue = Runs(), DocketTaskQueue("memory://what-stays")
        async with working(queue, runs):
            await queue.submit([f"n{number}" for number in range(20)])
            await runs.until_ended(20)
            await until_state(queue, waiting=0, running=0)
            async with (await queue._opened()).redis() as redis:
                keys = await redis.keys("*:n*")
        await queue.aclose()

        assert keys == []

    async def test_a_name_that_is_submitted_again_does_not_die_with_its_last_run(
        self, queue: DocketTaskQueue, redis_server: RedisServer
    ):
        runs = Runs()
        async with working(queue, runs):
            await queue.submit(["a"])
            await runs.until_ended(1)
            await until_state(queue, waiting=0, running=0)
        after_its_run = redis_server.ask("TTL", "nbl:tasks:runs:a")
        await queue.submit(["a"])

        assert 0 < after_its_run <= 15 * 60
        assert redis_server.ask("TTL", "nbl:tasks:runs:a") == -1


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        ["", "redis", "http://localhost", "memory://", "redis://:pass/word@host", "redis://host:port", "redis://[::1"],
    )
    def test_what_is_no_address_is_refused_without_repeating_it(self, url: str):
        with pytest.raises(ValueError, match=r"^a task queue is at ") as refusal:
            DocketTaskQueue(url)

        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None

    async def test_a_database_of_its_own_is_used(self, redis_server: RedisServer):
        redis_server.flush()
        queue = DocketTaskQueue(redis_server.url.removesuffix("/0") + "/3")
        await queue.submit(["a"])
        state = await queue.state()
        await queue.aclose()

        assert (state.waiting, redis_server.ask("DBSIZE")) == (1, 0)

    async def test_queues_of_different_memories_do_not_meet(self):
        first, second = DocketTaskQueue("memory://first"), DocketTaskQueue("memory://second")
        await first.submit(["a"])
        states = [await first.state(), await second.state()]
        await asyncio.gather(first.aclose(), second.aclose())

        assert states == [QueueState(waiting=1, running=0, workers=0), QueueState(waiting=0, running=0, workers=0)]

    def test_docket_is_not_loaded_before_it_is_needed(self):
        code = (
            "import sys\n"
            "import nano_banana_lab.main.container\n"
            "from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue\n"
            "DocketTaskQueue('memory://any')\n"
            "print(*{'docket', 'redis'} & set(sys.modules))"
        )

        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


class TestSecrets:
    async def test_the_password_gets_into_no_log_and_no_error(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ):
        caplog.set_level(logging.DEBUG)
        redis_server.flush()
        redis_server.ask("ACL", "SETUSER", "lab", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        at = redis_server.url.removeprefix("redis://")
        runs = Runs()
        right = DocketTaskQueue(f"redis://lab:{PASSWORD_IN_A_URL}@{at}")
        wrong = DocketTaskQueue(f"redis://nobody:{PASSWORD_IN_A_URL}@{at}", redelivery_seconds=REDELIVERY_SECONDS)
        away = DocketTaskQueue(f"redis://lab:{PASSWORD_IN_A_URL}@127.0.0.1:{free_port()}")
        await right.submit(["a"])
        errors = [await error_of(wrong), await error_of(away)]
        async with working(right, runs), working(wrong, Runs()), working(away, Runs()):
            await runs.until_ended(1)
            await until(lambda: "AuthenticationError" in caplog.text)
        await asyncio.gather(right.aclose(), wrong.aclose(), away.aclose())
        redis_server.ask("ACL", "DELUSER", "lab")

        said = [caplog.text, *map(describe, errors), repr(right)]
        assert [text for text in said if PASSWORD[:7] in text] == []

    async def test_runs_leave_no_line_in_the_log(self, queue: DocketTaskQueue, caplog: pytest.LogCaptureFixture):
        """As configured by `main.logs`, which lets only warnings of Docket's through."""
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.WARNING, logger="docket")
        runs = Runs()
        async with working(queue, runs):
            await queue.submit(["a", "b"])
            await runs.until_ended(2)
            await until_state(queue, waiting=0, running=0)

        assert caplog.records == []


@contextmanager
def worker_process(url: str, *, concurrency: int) -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("work_in_a_process.py")
    command = [sys.executable, str(script), url, str(REDELIVERY_SECONDS), str(concurrency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def error_of(queue: DocketTaskQueue) -> BaseException:
    with pytest.raises(QueueUnavailable) as error:
        await queue.submit(["a"])
    return error.value


def describe(error: BaseException) -> str:
    """Everything an error could say, with what caused it."""
    texts = list[str]()
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), *getattr(error, "__notes__", [])]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
