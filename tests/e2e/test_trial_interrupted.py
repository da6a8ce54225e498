"""A process dies, is stopped or is left alone while it makes a picture: its points are spent once, or come back once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import asked, generate, guest_token, history, quota
from tests.e2e.store_setups import ServiceStores, Stores
from tests.e2e.trial import (
    FOR_GUESTS,
    HELD,
    LEASE_IS_OVER,
    holding,
    known_guests,
    new_guests,
    problem,
    reap_at_once,
    reservations,
    state,
)

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server


@pytest.fixture(scope="module")
def stores(redis_server: RedisServer, s3_server: S3Server) -> ServiceStores:
    return ServiceStores(redis_server, s3_server, "trial-interrupted")


@pytest.fixture(scope="module")
def settings(stores: ServiceStores, gemini_settings: dict[str, str]) -> dict[str, str]:
    return stores.settings | gemini_settings | FOR_GUESTS


@pytest.fixture(scope="module")
def witness(folder: Path, settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder / "witness", **settings) as process:
        yield process


@pytest.fixture(autouse=True)
def _another_day(redis_server: RedisServer, gemini: GeminiDouble) -> None:
    redis_server.flush()
    gemini.clear()


async def test_what_a_killed_process_had_reserved_comes_back_once(
    folder: Path, fresh_stores: Stores, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    settings = fresh_stores.settings | gemini_settings | FOR_GUESTS
    with running_lab(folder / "victim", **settings) as victim:
        tokens = [await guest_token(victim) for _ in range(10)]
        async with known_guests(tokens, victim) as guests, new_guests(1, victim) as [[observer]]:
            untouched = await quota(observer)
            async with holding([client for [client] in guests], gemini):
                victim.kill()
    with running_lab(folder / "heir", **settings) as heir:
        async with known_guests(tokens, heir) as guests, new_guests(1, heir) as [[late]]:
            reserved = [await quota(client) for [client] in guests]
            reaped = [await reap_at_once(settings), await reap_at_once(settings, ahead=LEASE_IS_OVER)]
            restored = [await quota(client) for [client] in guests]
            made = await asyncio.gather(*(generate(client, "once more") for [client] in guests))
            refused, spent = await generate(late, "one too many"), await quota(late)

    assert [state(usage) for usage in reserved] == [(10, 0, True)] * 10
    assert reaped == [0, 10]
    assert [untouched] * 10 == restored
    assert [answer.status_code for answer in made] == [200] * 10
    assert problem(refused) == (429, "quota_exceeded")
    assert 10 == spent["global_used"] == asked(gemini, "once more")
    assert reservations(fresh_stores) == []


async def test_a_picture_nobody_waited_for_is_charged_once(
    witness: LabProcess, gemini: GeminiDouble, stores: Stores
) -> None:
    async with new_guests(1, witness, witness) as [[impatient, returning]]:
        async with holding([impatient], gemini) as [asking]:
            asking.cancel()
            await asyncio.wait([asking])
            gemini.release("it")
        [line], usage = await _history_once_there(returning), await quota(returning)

    assert (line["prompt"], len(gemini.requests)) == (HELD, 1)
    assert state(usage) == (1, 9, True)
    assert reservations(stores) == []


async def test_a_picture_finished_while_shutting_down_is_charged_once(
    tmp_path: Path, settings: dict[str, str], witness: LabProcess, gemini: GeminiDouble, stores: Stores
) -> None:
    with running_lab(tmp_path, **settings, SHUTDOWN_GRACE_SECONDS="600") as ending:
        async with new_guests(1, ending, witness) as [[client, elsewhere]]:
            async with holding([client], gemini) as [asking]:
                ending.terminate()
                await asyncio.to_thread(ending.until_logged, "shutting down")
                gemini.release("it")
                code = await asyncio.to_thread(ending.wait)
            lines, usage = await history(elsewhere), await quota(elsewhere)

    assert (code, (await asking).status_code, [line["prompt"] for line in lines]) == (0, 200, [HELD])
    assert state(usage) == (1, 9, True)
    assert reservations(stores) == []


async def test_a_generation_cut_off_by_the_end_of_the_grace_time_is_not_charged(
    tmp_path: Path, settings: dict[str, str], witness: LabProcess, gemini: GeminiDouble, stores: Stores
) -> None:
    with running_lab(tmp_path, **settings, SHUTDOWN_GRACE_SECONDS="0.2") as ending:
        async with new_guests(1, ending, witness) as [[client, elsewhere]]:
            before = await quota(elsewhere)
            async with holding([client], gemini) as [asking]:
                code = await asyncio.to_thread(ending.stop)
            after = await quota(elsewhere)

    assert (code, problem(await asking)) == (0, (503, "service_unavailable"))
    assert before == after
    assert reservations(stores) == []


async def _history_once_there(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while not (lines := await history(client)):  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.01)
    return lines
