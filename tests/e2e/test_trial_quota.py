"""Nobody gets more than the trial pays for, and nobody is charged for what they did not get."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.asking import asked, generate, history, quota
from tests.e2e.store_setups import ServiceStores, Stores
from tests.e2e.trial import FOR_GUESTS, holding, new_guests, problem, reap_at_once, reservations, state

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server

Pair = tuple[LabProcess, LabProcess]

RACE = {
    "TRIAL_GLOBAL_QUOTA": "50",
    "TRIAL_COOLDOWN_SECONDS": "0",
    "TRIAL_BASIC_1K_LIMIT": "1000",
    "TRIAL_BASIC_4K_LIMIT": "1000",
}
COST = {"1K": 1, "4K": 3}
DEADLINES = {"GENERATION_TIMEOUT_SECONDS": "60,60,1"}
"""In seconds, for 1K, 2K and 4K."""


@pytest.fixture(autouse=True)
def _another_day(redis_server: RedisServer, gemini: GeminiDouble) -> None:
    redis_server.flush()
    gemini.clear()


@pytest.fixture(scope="module")
def stores(redis_server: RedisServer, s3_server: S3Server) -> ServiceStores:
    return ServiceStores(redis_server, s3_server, "trial-of-two")


@pytest.fixture(scope="module")
def settings(stores: ServiceStores, gemini_settings: dict[str, str]) -> dict[str, str]:
    return stores.settings | gemini_settings | FOR_GUESTS


@pytest.fixture(scope="module")
def racers(folder: Path, settings: dict[str, str]) -> Iterator[Pair]:
    with _two_labs(folder / "racers", settings | RACE) as both:
        yield both


@pytest.fixture(scope="module")
def pair(folder: Path, settings: dict[str, str]) -> Iterator[Pair]:
    with _two_labs(folder / "pair", settings | DEADLINES) as both:
        yield both


@contextlib.contextmanager
def _two_labs(folder: Path, settings: dict[str, str]) -> Iterator[Pair]:
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield one, two


@pytest.mark.parametrize("guests", [1, 7])
async def test_racing_requests_to_two_processes_spend_the_pool_and_not_a_point_more(
    racers: Pair, gemini: GeminiDouble, stores: Stores, guests: int
) -> None:
    wanted = [("1K", "4K")[number // 2 % 2] for number in range(60)]
    async with new_guests(guests, *racers) as visitors:
        racing = (
            generate(visitors[number % guests][number % 2], f"runner {number}", resolution=size)
            for number, size in enumerate(wanted)
        )
        answers = list(zip(wanted, await asyncio.gather(*racing), strict=True))
        usages = [await quota(one) for one, _ in visitors]
        lines = [line for _, two in visitors for line in await history(two)]

    made = [COST[size] for size, answer in answers if answer.status_code == 200]
    refused = [(COST[size], answer) for size, answer in answers if answer.status_code != 200]
    assert {(429, "quota_exceeded")} == {problem(answer) for _, answer in refused}
    assert all(answer.json()["error"]["details"]["global_remaining"] < cost for cost, answer in refused)
    assert 50 - min(cost for cost, _ in refused) < sum(made) <= 50
    assert sorted(made) == sorted(COST[line["settings"]["resolution"]] for line in lines)
    assert {sum(made)} == {usage["global_used"] for usage in usages}
    assert {"basic_1k": made.count(1), "basic_4k": made.count(3)} == _pictures(usages)
    assert len(made) == len(gemini.requests)
    assert reservations(stores) == []


async def test_what_a_living_process_has_reserved_nobody_else_gets(
    pair: Pair, settings: dict[str, str], gemini: GeminiDouble, stores: Stores
) -> None:
    async with new_guests(11, *pair) as [(late, _), *visitors]:
        async with holding([one for one, _ in visitors], gemini) as held:
            reserved = [await quota(two) for _, two in visitors]
            reaped = await reap_at_once(settings)
            refused = await generate(late, "one too many")
            gemini.release("it")
        spent = [await quota(two) for _, two in visitors]

    assert [state(usage) for usage in [*reserved, *spent]] == [(10, 0, True)] * 20
    assert reaped == 0
    assert problem(refused) == (429, "quota_exceeded")
    assert [(await each).status_code for each in held] == [200] * 10
    assert len(gemini.requests) == 10
    assert reservations(stores) == []


@pytest.mark.parametrize(
    ("marker", "resolution", "outcome"),
    [
        ("blocked", "1K", (400, "content_blocked")),
        ("prompt-blocked", "1K", (400, "content_blocked")),
        ("no-image", "1K", (502, "no_image")),
        ("refusal", "1K", (502, "no_image")),
        ("empty", "1K", (502, "upstream_error")),
        ("garbage", "1K", (502, "upstream_error")),
        ("unreadable", "1K", (502, "upstream_error")),
        ("cut", "1K", (502, "upstream_error")),
        ("503", "1K", (502, "upstream_error")),
        ("disconnect", "1K", (502, "upstream_error")),
        ("429", "1K", (429, "upstream_rate_limited")),
        ("bad-key", "1K", (401, "invalid_api_key")),
        ("hold for ever", "4K", (504, "upstream_timeout")),
    ],
)
async def test_what_brings_no_picture_leaves_the_quota_as_it_was(
    pair: Pair, stores: Stores, marker: str, resolution: str, outcome: tuple[int, str]
) -> None:
    async with new_guests(2, *pair) as [(unlucky, elsewhere), (bystander, _)]:
        counted = await generate(bystander, "what counts already")
        before = await quota(unlucky)
        failed = await generate(unlucky, f"a storm [[{marker}]]", resolution=resolution)
        after = [await quota(unlucky), await quota(elsewhere)]
        reserved = reservations(stores)
        consoled = await generate(elsewhere, "and once more")

    assert outcome == problem(failed)
    assert state(before) == (1, 9, False)
    assert [before, before] == after
    assert reserved == []
    assert (counted.status_code, consoled.status_code) == (200, 200)


async def test_the_next_request_within_the_cooldown_is_refused_by_every_process(
    pair: Pair, gemini: GeminiDouble
) -> None:
    async with new_guests(1, *pair) as [(one, two)]:
        first = await generate(one, "the first")
        refused = [await generate(client, "too soon") for client in (one, two)]
        usages = [await quota(client) for client in (one, two)]

    assert first.status_code == 200
    assert [problem(answer) for answer in refused] == [(429, "cooldown_active")] * 2
    assert all(1 <= int(answer.headers["retry-after"]) <= 600 for answer in refused)
    assert [state(usage) for usage in usages] == [(1, 9, True)] * 2
    assert asked(gemini, "too soon") == 0


async def test_of_a_guests_simultaneous_requests_to_two_processes_one_begins(pair: Pair, gemini: GeminiDouble) -> None:
    async with new_guests(1, *pair) as [both]:
        answers = await asyncio.gather(*(generate(both[number % 2], f"quick {number}") for number in range(10)))
        usage = await quota(both[0])

    refused = [problem(answer) for answer in answers if answer.status_code != 200]
    assert refused == [(429, "cooldown_active")] * 9
    assert state(usage) == (1, 9, True)
    assert len(gemini.requests) == 1


async def test_whoever_brings_a_key_of_their_own_is_neither_refused_nor_counted(
    pair: Pair, gemini: GeminiDouble
) -> None:
    async with new_guests(10, *pair) as guests:
        shares = await asyncio.gather(*(generate(one, "a share of the pool") for one, _ in guests))
        before = await quota(guests[0][0])
        made = [await generate(client, "on my own bill", key="of-the-guest") for client in guests[0] * 2]
        after = await quota(guests[0][0])
        keyed = await guests[0][0].get("/api/quota", headers={"X-API-Key": "of-the-guest"})

    assert [answer.status_code for answer in [*shares, *made]] == [200] * 14
    assert (10, 0, True) == state(before) == state(after)
    assert before["modes"] == after["modes"]
    assert (after["is_trial_mode"], keyed.json()["is_trial_mode"]) == (True, False)
    assert asked(gemini, "on my own bill") == 4


def _pictures(usages: Iterable[dict[str, Any]]) -> dict[str, int]:
    """By the modes that any of these users has used."""
    found = [(mode, line["used"]) for usage in usages for mode, line in usage["modes"].items()]
    return {mode: sum(used for name, used in found if name == mode) for mode, used in found if used}
