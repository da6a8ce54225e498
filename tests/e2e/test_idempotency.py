"""The same request twice is one picture and one charge, whichever process it meets and whatever happened to the first."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import asked, history, quota, visiting
from tests.e2e.store_setups import ServiceStores, Stores
from tests.e2e.trial import problem, reservations

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server

Pair = tuple[LabProcess, LabProcess]

TRIAL = {
    "TRIAL_ENABLED": "true",
    "TRIAL_GLOBAL_QUOTA": "3",
    "TRIAL_COOLDOWN_SECONDS": "0",
    "RATE_LIMIT_ENABLED": "false",
}
LEASE_MILLISECONDS = 60_000
PROMPT = "a picture to be had once"
HELD = f"{PROMPT} [[hold it]]"
HELD_AT_FIRST = f"{PROMPT} [[hold it x1]]"
"""Google finishes it without delay when it is asked a second time."""


@pytest.fixture(autouse=True)
def _another_day(redis_server: RedisServer, gemini: GeminiDouble) -> None:
    redis_server.flush()
    gemini.clear()


@pytest.fixture(scope="module")
def stores(redis_server: RedisServer, s3_server: S3Server) -> ServiceStores:
    return ServiceStores(redis_server, s3_server, "idempotency-of-two")


@pytest.fixture(scope="module")
def settings(stores: ServiceStores, gemini_settings: dict[str, str]) -> dict[str, str]:
    return stores.settings | gemini_settings | TRIAL


@pytest.fixture(scope="module")
def pair(folder: Path, settings: dict[str, str]) -> Iterator[Pair]:
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield one, two


async def test_of_ten_at_once_one_is_paid_for_and_the_others_wait_for_its_outcome(
    pair: Pair, gemini: GeminiDouble, stores: Stores
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        asking = [asyncio.create_task(_ask(client, HELD)) for client in [one, two] * 5]
        finished = asyncio.as_completed(asking)
        refused = [await next(finished) for _ in range(9)]
        gemini.release("it")
        first = await next(finished)
        repeats = [await _ask(client, HELD) for client in (one, two)]
        lines, usage = await history(one), await quota(two)

    assert [problem(answer) for answer in refused] == [(409, "idempotency_conflict")] * 9
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert (first.status_code, _is_replayed(first)) == (200, False)
    assert [_outcome(first)] * 2 == [_outcome(answer) for answer in repeats]
    assert all(_is_replayed(answer) for answer in repeats)
    assert [line["id"] for line in lines] == [first.json()["id"]]
    assert (len(gemini.requests), usage["global_used"], reservations(stores)) == (1, 1, [])


async def test_of_many_at_once_that_are_quickly_answered_one_is_paid_for_as_well(
    pair: Pair, gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        answers = await asyncio.gather(*(_ask(client, PROMPT) for client in [one, two] * 10))
        lines, usage = await history(two), await quota(one)

    [first] = [answer for answer in answers if answer.status_code == 200 and not _is_replayed(answer)]
    others = [answer for answer in answers if answer is not first]
    assert {_outcome(answer) for answer in others if _is_replayed(answer)} <= {_outcome(first)}
    assert {problem(answer) for answer in others if not _is_replayed(answer)} <= {(409, "idempotency_conflict")}
    assert (len(gemini.requests), len(lines), usage["global_used"]) == (1, 1, 1)


async def test_a_repeat_is_answered_although_the_trial_is_used_up(pair: Pair, gemini: GeminiDouble) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        made = [await _ask(one, f"{PROMPT} {number}", key=f"number {number}") for number in range(3)]
        refused = await _ask(two, "one too many", key="number 4")
        repeats = [await _ask(two, f"{PROMPT} {number}", key=f"number {number}") for number in range(3)]

    assert problem(refused) == (429, "quota_exceeded")
    assert [_outcome(answer) for answer in made] == [_outcome(answer) for answer in repeats]
    assert len(gemini.requests) == 3


async def test_the_key_of_a_request_that_brought_no_picture_is_free_on_every_process(
    pair: Pair, gemini: GeminiDouble
) -> None:
    prompt = f"{PROMPT} [[blocked x1]]"
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        failed, made = await _ask(one, prompt), await _ask(two, prompt)
        usage = await quota(one)

    assert problem(failed) == (400, "content_blocked")
    assert (made.status_code, _is_replayed(made)) == (200, False)
    assert (len(gemini.requests), usage["global_used"]) == (2, 1)


async def test_a_client_that_hung_up_gets_the_picture_when_it_asks_again(
    pair: Pair, gemini: GeminiDouble, stores: Stores
) -> None:
    async with visiting(pair[0]) as impatient:
        await _hang_up(impatient, gemini)
    async with visiting(pair[1]) as returning:
        too_early = await _ask(returning, HELD)
        gemini.release("it")
        repeat = await _ask_until_decided(returning, HELD)
        lines, usage = await history(returning), await quota(returning)

    assert problem(too_early) == (409, "idempotency_conflict")
    assert (repeat.status_code, _is_replayed(repeat)) == (200, True)
    assert [line["id"] for line in lines] == [repeat.json()["id"]]
    assert (len(gemini.requests), usage["global_used"], reservations(stores)) == (1, 1, [])


async def test_the_key_of_a_killed_process_is_free_when_its_lease_has_run_out(
    tmp_path: Path, pair: Pair, settings: dict[str, str], redis_server: RedisServer, gemini: GeminiDouble
) -> None:
    with running_lab(tmp_path, **settings) as victim:
        async with visiting(victim) as client:
            asking = asyncio.create_task(_ask(client, HELD_AT_FIRST))
            await gemini.until(lambda requests: len(requests) == 1)
            victim.kill()
            await asyncio.wait([asking])
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        too_early = await _ask(one, HELD_AT_FIRST)
        left = await _let_the_lease_run_out(redis_server)
        made, repeat = await _ask(one, HELD_AT_FIRST), await _ask(two, HELD_AT_FIRST)

    assert isinstance(asking.exception(), httpx.TransportError)
    assert problem(too_early) == (409, "idempotency_conflict")
    assert 0 < left <= LEASE_MILLISECONDS
    assert (made.status_code, _is_replayed(made), len(gemini.requests)) == (200, False, 2)
    assert (_outcome(made), True) == (_outcome(repeat), _is_replayed(repeat))


async def test_what_was_finished_while_shutting_down_is_replayed_by_the_next_process(
    folder: Path, fresh_stores: Stores, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    settings = fresh_stores.settings | gemini_settings | TRIAL | {"SHUTDOWN_GRACE_SECONDS": "600"}
    with running_lab(folder / "ending", **settings) as ending:
        async with visiting(ending) as client:
            earlier = await _ask(client, PROMPT, key="another")
            await _hang_up(client, gemini)
            ending.terminate()
            await asyncio.to_thread(ending.until_logged, "shutting down")
            gemini.release("it")
            code = await asyncio.to_thread(ending.wait)
    with running_lab(folder / "ending", **settings) as heir:
        async with visiting(heir) as client:
            repeats = [await _ask(client, PROMPT, key="another"), await _ask(client, HELD)]
            lines, usage = await history(client), await quota(client)

    assert (code, earlier.status_code, repeats[1].status_code) == (0, 200, 200)
    assert _outcome(earlier) == _outcome(repeats[0])
    assert [_is_replayed(answer) for answer in repeats] == [True, True]
    assert [line["id"] for line in lines] == [answer.json()["id"] for answer in reversed(repeats)]
    assert (len(gemini.requests), usage["global_used"]) == (2, 2)


async def test_the_key_of_what_was_cut_off_by_the_end_of_the_grace_time_is_free(
    tmp_path: Path, pair: Pair, settings: dict[str, str], gemini: GeminiDouble
) -> None:
    with running_lab(tmp_path, **settings, SHUTDOWN_GRACE_SECONDS="0.2") as ending:
        async with visiting(ending) as client, visiting(pair[0]) as elsewhere:
            asking = asyncio.create_task(_ask(client, HELD_AT_FIRST))
            await gemini.until(lambda requests: len(requests) == 1)
            await asyncio.to_thread(ending.stop)
            made, usage = await _ask(elsewhere, HELD_AT_FIRST), await quota(elsewhere)

    assert problem(await asking) == (503, "service_unavailable")
    assert (made.status_code, _is_replayed(made)) == (200, False)
    assert (asked(gemini, HELD_AT_FIRST), usage["global_used"]) == (2, 1)


async def _ask(client: httpx.AsyncClient, prompt: str, *, key: str = "8e03978e-40d5-43dd-bc93") -> httpx.Response:
    return await client.post("/api/generate", json={"prompt": prompt}, headers={"Idempotency-Key": key})


async def _ask_until_decided(client: httpx.AsyncClient, prompt: str) -> httpx.Response:
    async with asyncio.timeout(30):
        while (answer := await _ask(client, prompt)).status_code == 409:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.01)
    return answer


async def _hang_up(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    """Ask for what Google then holds, and do not wait for it."""
    asking = asyncio.create_task(_ask(client, HELD))
    await gemini.until(lambda requests: any(request.prompt == HELD for request in requests))
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def _let_the_lease_run_out(redis: RedisServer) -> int:
    """At once; says how many milliseconds it had left."""
    [key] = redis.ask("KEYS", "nbl:v:idempotency/*")
    left: int = redis.ask("PTTL", key)
    redis.ask("PEXPIRE", key, 1)
    async with asyncio.timeout(30):
        while redis.ask("EXISTS", key):  # noqa: ASYNC110 - Redis does not tell
            await asyncio.sleep(0.001)
    return left


def _is_replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def _outcome(answer: httpx.Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers["content-type"], answer.content
