"""What a lab does besides answering does not end because it failed."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from dishka import AsyncContainer, Provider, Scope

from nano_banana_lab.adapters.memory.task_queue import MemoryTaskQueue
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.tasks.ports import TaskQueue
from nano_banana_lab.main import work
from nano_banana_lab.main.commands.batch_run import working
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.testing.lab_process import running_worker
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel


class Stumbling:
    """Fails the first time, and says when it has been called again."""

    def __init__(self) -> None:
        self.calls = 0
        self.again = asyncio.Event()

    def step(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("stumbled")
        self.again.set()


class StumblingQueue(Stumbling, MemoryTaskQueue):
    def __init__(self) -> None:
        Stumbling.__init__(self)
        MemoryTaskQueue.__init__(self)

    async def work(self, run: Callable[[str], Awaitable[None]], *, concurrency: int) -> None:
        self.step()
        await super().work(run, concurrency=concurrency)


class StumblingModel(Stumbling, ScriptedImageModel):
    def __init__(self) -> None:
        Stumbling.__init__(self)
        ScriptedImageModel.__init__(self)

    async def warm_up(self) -> None:
        self.step()


@pytest.fixture
def queue() -> StumblingQueue:
    return StumblingQueue()


@pytest.fixture
def model() -> StumblingModel:
    return StumblingModel()


@pytest.fixture
def container(
    tmp_path: Path, queue: StumblingQueue, model: StumblingModel, monkeypatch: pytest.MonkeyPatch
) -> AsyncContainer:
    monkeypatch.setattr(work, "FIRST_PAUSE_SECONDS", 0.0)
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: queue, provides=TaskQueue, override=True)
    doubles.provide(lambda: ImageModels(default=model, keyed=model), provides=ImageModels, override=True)
    return make_container(read_settings({"DATA_DIR": str(tmp_path)}), doubles)


async def _both_again(queue: StumblingQueue, model: StumblingModel) -> None:
    async with asyncio.timeout(60):  # or a failure would hold up all other tests
        await asyncio.gather(queue.again.wait(), model.again.wait())


async def test_a_worker_and_chores_that_fail_are_told_of_and_begin_anew(
    container: AsyncContainer, queue: StumblingQueue, model: StumblingModel, caplog: pytest.LogCaptureFixture
) -> None:
    async with container, work.busy(container, concurrency=1):
        await _both_again(queue, model)
        workers = (await queue.state()).workers

    assert {each.message.partition(";")[0] for each in caplog.records if each.exc_info} == {
        "the task worker failed",
        "the round of chores failed",
    }
    assert workers == 1


async def test_those_of_a_batch_do_too(container: AsyncContainer, queue: StumblingQueue, model: StumblingModel) -> None:
    async with container, working(container, concurrency=1):
        await _both_again(queue, model)

    assert (queue.calls, model.calls) == (2, 2)


async def test_the_pauses_grow(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(work, "FIRST_PAUSE_SECONDS", 0.001)
    attempts = iter(range(4))

    async def act() -> None:
        if next(attempts) < 3:
            raise RuntimeError

    await work.kept_up("walk", act)

    assert [each.message.rpartition(" in ")[2] for each in caplog.records] == ["0.001 s", "0.002 s", "0.004 s"]


def test_a_worker_says_that_its_queue_cannot_be_loaded(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "docket.py").write_text('raise RuntimeError("broken on purpose")\n')
    with running_worker(tmp_path, concurrency=1, REDIS_URL=redis_server.url, PYTHONPATH=str(tmp_path)) as worker:
        worker.until_logged("broken on purpose")
        code = worker.stop()

    assert "the task worker failed" in worker.log()
    assert code == 0
