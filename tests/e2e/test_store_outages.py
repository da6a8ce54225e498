"""A store goes away and comes back: nothing is paid for meanwhile, and nobody has to restart the lab."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import asked, generate, history, picture_sent, visiting
from tests.e2e.store_setups import ServiceStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server, running_s3

BUCKET = "outages"
PATIENCE = 15
"""Seconds. An answer is promised within five; a service that hangs with its store would take for ever."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        yield server


@pytest.fixture(scope="module")
def stores(redis: RedisServer, s3: S3Server) -> ServiceStores:
    return ServiceStores(redis, s3, BUCKET)


@pytest.fixture(scope="module")
def lab(folder: Path, stores: ServiceStores, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **stores.settings, **gemini_settings) as process:
        yield process


@pytest.fixture
async def client(lab: LabProcess):
    async with visiting(lab, seconds=PATIENCE) as visitor:
        await _until_ready_is(200, visitor)
        yield visitor


Break = Callable[[RedisServer, S3Server], None]


def _start_s3_anew(_: RedisServer, s3: S3Server) -> None:
    s3.start()
    s3.create_bucket(BUCKET)


OUTAGES: dict[str, tuple[Break, Break]] = {
    "redis stops": (lambda redis, s3: redis.stop(), lambda redis, s3: redis.start()),
    "redis hangs": (lambda redis, s3: redis.pause(), lambda redis, s3: redis.resume()),
    "s3 stops": (lambda redis, s3: s3.stop(), _start_s3_anew),
    "s3 hangs": (lambda redis, s3: s3.pause(), lambda redis, s3: s3.resume()),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_while_a_store_is_away_nothing_is_paid_for_and_afterwards_all_is_well(
    client: httpx.AsyncClient, gemini: GeminiDouble, redis: RedisServer, s3: S3Server, outage: str
) -> None:
    go_wrong, get_well = OUTAGES[outage]
    go_wrong(redis, s3)
    try:
        await _until_ready_is(503, client)
        refused = await generate(client, f"in vain while {outage}")
        live, health = await client.get("/api/health/live"), await client.get("/api/health")
    finally:
        get_well(redis, s3)
    await _until_ready_is(200, client)
    served = await generate(client, f"after {outage}")

    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert "retry-after" in refused.headers
    assert asked(gemini, f"in vain while {outage}") == 0
    assert (live.status_code, live.json()["status"], health.json()["status"]) == (200, "healthy", "unhealthy")
    assert served.status_code == 200, served.text


async def test_a_picture_that_was_paid_for_is_kept_when_redis_restarts_meanwhile(
    client: httpx.AsyncClient, gemini: GeminiDouble, redis: RedisServer
) -> None:
    prompt = "paid in time [[hold payment]]"
    making = asyncio.create_task(generate(client, prompt))
    await gemini.until(lambda requests: any(request.prompt == prompt for request in requests))
    redis.stop()
    try:
        gemini.release("payment")
        await gemini.until(lambda requests: any(request.prompt == prompt and request.status for request in requests))
        assert (await client.get("/api/history")).status_code == 503
    finally:
        redis.start()
    kept = await making
    found = [line for line in await history(client) if line["prompt"] == prompt]

    assert kept.status_code == 200, kept.text
    assert [await picture_sent(gemini, prompt)] == [(await client.get(line["url"])).content for line in found]


async def _until_ready_is(status: int, client: httpx.AsyncClient) -> None:
    """Ask until the lab has noticed; it remembers for a moment how its stores were."""
    async with asyncio.timeout(60):
        while (await client.get("/api/health/ready")).status_code != status:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)
