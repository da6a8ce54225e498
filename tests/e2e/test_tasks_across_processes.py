"""Two that serve and two that work, on one Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import asked, quota, visiting
from tests.e2e.store_setups import ServiceStores
from tests.e2e.tasking import HELD, TASKS, Told, events, finished, story, submitted

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab, running_worker
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server

TRIAL = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "0", "SECRET_KEY": "one key for every process of this"}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis(appendonly=True) as server:
        yield server


@pytest.fixture(scope="module")
def labs(
    folder: Path, redis: RedisServer, s3_server: S3Server, gemini_settings: dict[str, str]
) -> Iterator[tuple[LabProcess, LabProcess]]:
    settings = ServiceStores(redis, s3_server, "scaled").settings | gemini_settings | TRIAL
    with ExitStack() as processes:
        for name in ("worker-one", "worker-two"):
            processes.enter_context(running_worker(folder / name, concurrency=2, **settings))
        one, two = [
            processes.enter_context(running_lab(folder / name, **settings, WORKER_IN_PROCESS="false"))
            for name in ("one", "two")
        ]
        yield one, two


@pytest.fixture
async def clients(
    labs: tuple[LabProcess, LabProcess], gemini: GeminiDouble
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    gemini.clear()
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(visiting(lab)) for lab in labs]
        yield one, two


async def test_submitted_to_one_followed_at_the_other_and_cancelled_at_the_first(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], gemini: GeminiDouble
) -> None:
    one, two = clients
    before = (await quota(one))["global_used"]
    task_id = await submitted(one, *(f"{HELD} {number}" for number in range(7)))
    following = asyncio.create_task(story(two, task_id))
    await gemini.until(lambda requests: len(requests) == 4)
    now = (await one.delete(f"{TASKS}/{task_id}")).raise_for_status().json()
    set_aside = (await quota(two))["global_used"] - before
    gemini.release("it")
    told = await following

    assert sorted(item["status"] for item in now["items"]) == ["cancelled"] * 3 + ["processing"] * 4
    assert (set_aside, (await quota(one))["global_used"] - before) == (4, 4)
    assert (told[-1][1], told[-1][2]["status"], len(told[-1][2]["results"])) == ("done", "completed", 4)
    assert len(gemini.requests) == 4


async def test_a_stream_that_breaks_off_goes_on_at_the_other_process(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], gemini: GeminiDouble
) -> None:
    one, two = clients
    task_id = await submitted(one, "quick", HELD)
    first: list[Told] = []
    async for told in events(one, task_id):
        first.append(told)
        if told[1] == "item" and told[2]["status"] == "completed":
            break
    gemini.release("it")
    rest = [told async for told in events(two, task_id, after=first[-1][0])]

    assert first + rest == await story(one, task_id)
    assert rest[-1][1] == "done"


async def test_redis_goes_away_for_ten_seconds_and_no_item_is_lost_or_bought_twice(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], gemini: GeminiDouble, redis: RedisServer
) -> None:
    one, two = clients
    prompts = [f"{HELD} {number}" for number in range(8)]
    task_id = await submitted(one, *prompts)
    await gemini.until(lambda requests: len(requests) == 4)
    redis.stop()
    refused = await two.post("/api/generate/batch", json={"prompts": ["x"]})
    await asyncio.sleep(10)
    redis.start()
    gemini.release("it")
    async with asyncio.timeout(60):
        while (await two.get("/api/health/ready")).status_code != 200:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)
    done = await finished(two, task_id)

    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert [item["status"] for item in done["items"]] == ["completed"] * 8
    assert [asked(gemini, prompt) for prompt in prompts] == [1] * 8


async def test_the_health_shows_the_workers(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    for client in clients:
        async with asyncio.timeout(60):  # a worker says that it is alive every few seconds
            while (found := await _queue(client))["details"]["workers"] != 2:  # noqa: ASYNC110 - a client can only ask
                await asyncio.sleep(0.1)

        assert (found["status"], found["details"]) == ("healthy", {"waiting": 0, "running": 0, "workers": 2})


async def _queue(client: httpx.AsyncClient) -> dict[str, Any]:
    component: dict[str, Any] = (await client.get("/api/health/detailed")).json()["components"]["task_queue"]
    return component
