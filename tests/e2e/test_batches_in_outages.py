"""Redis hangs just as a batch is taken on: its client is told that it failed, and then it has."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import quota, visiting
from tests.e2e.stalling_way import StallingWay
from tests.e2e.tasking import BATCH, TASKS, finished
from tests.e2e.trial import FOR_GUESTS, problem, state

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis

PATIENCE = 15
"""Seconds. An answer is promised within five; a service that hangs with its store would take for ever."""

AGAIN = (409, 503)
"""What is answered while the key, or the store, is not there yet."""

SENT = {"json": {"prompts": ["a corgi", "a cat"]}}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def way(redis: RedisServer) -> AsyncIterator[StallingWay]:
    redis.flush()
    async with StallingWay(redis) as found:
        yield found


@pytest.fixture
async def client(
    way: StallingWay, gemini: GeminiDouble, gemini_settings: dict[str, str], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    gemini.clear()
    one_owner = FOR_GUESTS | {"AUTH_ENABLED": "false", "REDIS_URL": way.url}
    lab = running_lab(tmp_path, **gemini_settings | one_owner)
    with contextlib.ExitStack() as stack:
        process = await asyncio.to_thread(stack.enter_context, lab)
        async with visiting(process, seconds=PATIENCE) as visitor:
            yield visitor
        await asyncio.to_thread(stack.close)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["plain", "with a key"])
@pytest.mark.parametrize("when", ["before", "afterwards"])
async def test_a_batch_that_failed_for_its_client_buys_nothing_and_a_repeat_buys_once(
    client: httpx.AsyncClient,
    way: StallingWay,
    redis: RedisServer,
    gemini: GeminiDouble,
    when: str,
    headers: dict[str, str],
) -> None:
    before = await quota(client)
    way.stall(when)
    began = time.monotonic()
    refused = await client.post(BATCH, **SENT, headers=headers)
    print(f"\nanswered after {time.monotonic() - began:.2f} s")
    redis.resume()
    await _until_all_is_as(before, client)
    bought = list(gemini.requests)
    repeat = await _taken_on(client, headers)
    done = await finished(client, repeat["task_id"])

    assert (problem(refused), bought) == ((503, "service_unavailable"), [])
    assert (done["status"], len(gemini.requests), state(await quota(client))) == ("completed", 2, (2, 8, True))
    others = [
        task["status"] for task in (await client.get(TASKS)).json()["tasks"] if task["task_id"] != repeat["task_id"]
    ]
    assert others == ["cancelled"] * (when == "afterwards")


async def _until_all_is_as(before: dict[str, Any], client: httpx.AsyncClient) -> None:
    """Points and cooldown are back, as soon as the lab has noticed that it can give them back."""
    async with asyncio.timeout(60):
        while (answer := await client.get("/api/quota")).status_code != 200 or answer.json() != before:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)


async def _taken_on(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    """The task of a client that repeats its request until it gets through."""
    async with asyncio.timeout(60):
        while (answer := await client.post(BATCH, **SENT, headers=headers)).status_code in AGAIN:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)
    return answer.raise_for_status().json()
