"""Redis hangs or is killed, and comes back within seconds with all that it had confirmed."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import generate, history, quota, statistics, visiting
from tests.e2e.trial import FOR_GUESTS, HELD, LEASE_IS_OVER, holding, problem, reap_at_once, state

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis

PATIENCE = 15
"""Seconds. An answer is promised within five; a service that hangs with its store would take for ever."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis(appendonly=True) as server:
        yield server


@pytest.fixture(scope="module")
def settings(redis: RedisServer, folder: Path, gemini_settings: dict[str, str]) -> dict[str, str]:
    one_owner = FOR_GUESTS | {"AUTH_ENABLED": "false"}
    return gemini_settings | one_owner | {"REDIS_URL": redis.url, "DATA_DIR": str(folder / "data")}


@pytest.fixture(scope="module")
def lab(folder: Path, settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **settings) as process:
        yield process


@pytest.fixture
async def client(lab: LabProcess, redis: RedisServer, gemini: GeminiDouble):
    redis.flush()
    gemini.clear()
    async with visiting(lab, seconds=PATIENCE) as visitor:
        await _until_ready(visitor)
        yield visitor


OUTAGES: dict[str, tuple[Callable[[RedisServer], None], Callable[[RedisServer], None]]] = {
    "hanging": (RedisServer.pause, RedisServer.resume),
    "killed": (RedisServer.stop, RedisServer.start),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_while_redis_is_away_nothing_is_paid_for_and_nothing_stays_reserved(
    client: httpx.AsyncClient, settings: dict[str, str], gemini: GeminiDouble, redis: RedisServer, outage: str
) -> None:
    """A Redis that hung then carries out what nobody waits for any more; that lease runs out like any other."""
    go_wrong, get_well = OUTAGES[outage]
    before = await quota(client)
    go_wrong(redis)
    try:
        refused = await asyncio.gather(*(generate(client, f"in vain {number}") for number in range(5)))
    finally:
        get_well(redis)
    await _until_ready(client)
    reaped = await reap_at_once(settings, ahead=LEASE_IS_OVER)
    print(f"\nreserved for a request that was answered 503: {reaped}")

    assert [problem(answer) for answer in refused] == [(503, "service_unavailable")] * 5
    assert gemini.requests == []
    assert before == await quota(client)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_picture_paid_for_while_redis_is_away_is_kept_and_charged_once(
    client: httpx.AsyncClient, settings: dict[str, str], gemini: GeminiDouble, redis: RedisServer, outage: str
) -> None:
    go_wrong, get_well = OUTAGES[outage]
    async with holding([client], gemini) as [making]:
        stored = _pictures_on_disk(settings)
        go_wrong(redis)
        try:
            gemini.release("it")
            await gemini.until(lambda _: _pictures_on_disk(settings) != stored)  # next it is entered in the history
            noticed = await client.get("/api/history")
        finally:
            get_well(redis)
    lines, sums, usage = await history(client), await statistics(client), await quota(client)

    assert (noticed.status_code, (await making).status_code) == (503, 200)
    assert [line["prompt"] for line in lines] == [HELD]
    assert (sums["total_images"], len(gemini.requests)) == (1, 1)
    assert state(usage) == (1, 9, True)
    assert redis.ask("KEYS", "*quota/reservation*") == []


async def test_points_that_could_not_be_given_back_come_back_with_the_lease(
    client: httpx.AsyncClient, settings: dict[str, str], gemini: GeminiDouble, redis: RedisServer
) -> None:
    before = await quota(client)
    failing = asyncio.create_task(generate(client, "a storm [[hold it]] [[blocked]]"))
    await gemini.until(lambda requests: len(requests) == 1)
    redis.stop()
    try:
        gemini.release("it")
        failed = await failing
    finally:
        redis.start()
    await _until_ready(client)
    owed = await quota(client)
    reaped = await reap_at_once(settings, ahead=LEASE_IS_OVER)

    assert problem(failed) == (400, "content_blocked")
    assert state(owed) == (1, 9, True)
    assert (1, before) == (reaped, await quota(client))


async def test_a_picture_whose_reservation_was_lost_with_redis_is_kept_all_the_same(
    client: httpx.AsyncClient, gemini: GeminiDouble, redis: RedisServer, lab: LabProcess
) -> None:
    async with holding([client], gemini) as [making]:
        redis.flush()
        gemini.release("it")
    lines, usage = await history(client), await quota(client)

    assert ((await making).status_code, [line["prompt"] for line in lines]) == (200, [HELD])
    assert state(usage) == (0, 10, False)
    assert "not charged for" in lab.log()


def _pictures_on_disk(settings: dict[str, str]) -> set[Path]:
    return set(Path(settings["DATA_DIR"]).glob("pictures/users/**/*.jpg"))


async def _until_ready(client: httpx.AsyncClient) -> None:
    """Ask until the lab has noticed; it remembers for a moment how its stores were."""
    async with asyncio.timeout(60):
        while (await client.get("/api/health/ready")).status_code != 200:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)
