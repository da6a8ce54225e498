"""Processes are killed in the middle of a batch: the rest goes on, and nothing is bought twice unasked."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.asking import asked, quota, visiting
from tests.e2e.store_setups import EmbeddedStores, ServiceStores
from tests.e2e.tasking import HELD, TASKS, events, finished, story, submitted, until

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import running_lab, running_worker
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server

TRIAL = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "0", "SECRET_KEY": "one key for every process of this"}
PROMPTS = [f"{HELD} {number}" for number in range(3)] + ["one more", "another", "the last"]


@pytest.fixture(autouse=True)
def _nothing_asked_yet(gemini: GeminiDouble) -> None:
    gemini.clear()


async def test_another_worker_goes_on_where_a_killed_one_stopped(
    folder: Path, redis_server: RedisServer, s3_server: S3Server, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    stores = ServiceStores(redis_server, s3_server, "batch-interrupted")
    settings = stores.settings | gemini_settings | TRIAL
    with ExitStack() as processes:
        lab = processes.enter_context(running_lab(folder / "api", **settings, WORKER_IN_PROCESS="false"))
        victim = processes.enter_context(running_worker(folder / "victim", concurrency=3, **settings))
        async with visiting(lab) as client:
            task_id = await submitted(client, *PROMPTS)
            await gemini.until(lambda requests: len(requests) == 3)
            await asyncio.to_thread(victim.kill)
            processes.enter_context(running_worker(folder / "heir", concurrency=3, **settings))
            await until(client, task_id, *["interrupted"] * 3, *["completed"] * 3)
            done, refunded = await finished(client, task_id), await quota(client)
            bought = [asked(gemini, prompt) for prompt in PROMPTS]
            gemini.release("it")
            (await client.post(f"{TASKS}/{task_id}/retry")).raise_for_status()
            again, charged = await finished(client, task_id), await quota(client)

    assert [item["status"] for item in done["items"]] == ["interrupted"] * 3 + ["completed"] * 3
    assert {item["error"]["code"] for item in done["items"][:3]} == {"interrupted"}
    assert (bought, refunded["global_used"]) == ([1] * 6, 3)
    assert ([item["status"] for item in again["items"]], charged["global_used"]) == (["completed"] * 6, 6)
    assert [asked(gemini, prompt) for prompt in PROMPTS] == [2] * 3 + [1] * 3


async def test_a_stream_whose_rest_died_with_the_process_still_comes_to_its_end(
    tmp_path: Path, gemini_settings: dict[str, str]
) -> None:
    settings = EmbeddedStores(tmp_path / "data").settings | gemini_settings
    with running_lab(tmp_path, **settings) as victim:
        async with visiting(victim) as client:
            task_id = await submitted(client, "quick", "quicker")
            [*_, (last_id, *_), end] = await story(client, task_id)
            await asyncio.to_thread(victim.kill)
    with running_lab(tmp_path, **settings) as heir:
        async with visiting(heir) as client:
            rest = [told async for told in events(client, task_id, after=last_id)]

    assert [told[1:] for told in rest] == [end[1:]]


async def test_a_worker_that_is_stopped_says_what_its_grace_time_did_not_suffice_for(
    folder: Path, redis_server: RedisServer, s3_server: S3Server, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    settings = ServiceStores(redis_server, s3_server, "batch-cut-off").settings | gemini_settings | TRIAL
    with ExitStack() as processes:
        lab = processes.enter_context(running_lab(folder / "taker", **settings, WORKER_IN_PROCESS="false"))
        short = {"SHUTDOWN_GRACE_SECONDS": "0.2"}
        worker = processes.enter_context(running_worker(folder / "stopped", concurrency=1, **settings, **short))
        async with visiting(lab) as client:
            task_id = await submitted(client, HELD)
            await gemini.until(lambda requests: len(requests) == 1)
            code = await asyncio.to_thread(worker.stop)
            done = await finished(client, task_id)

    assert (code, done["items"][0]["status"]) == (0, "interrupted")
    assert "generations cut off" in worker.log()


async def test_a_single_process_goes_on_after_it_was_killed(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    settings = EmbeddedStores(tmp_path / "data").settings | gemini_settings | TRIAL
    with running_lab(tmp_path, **settings, MAX_CONCURRENT_GENERATIONS="3") as victim:
        async with visiting(victim) as client:
            task_id = await submitted(client, *PROMPTS)
            await gemini.until(lambda requests: len(requests) == 3)
            last_id, *_ = await anext(events(client, task_id))
            await asyncio.to_thread(victim.kill)
    with running_lab(tmp_path, **settings, MAX_CONCURRENT_GENERATIONS="3") as heir:
        async with visiting(heir) as client:
            resumed = [told async for told in events(client, task_id, after=last_id)]
            begun_late = await story(client, task_id)
            refunded = await quota(client)
            gemini.release("it")
            (await client.post(f"{TASKS}/{task_id}/retry")).raise_for_status()
            again, charged = await finished(client, task_id), await quota(client)

    assert [item["status"] for item in resumed[-1][2]["items"]] == ["interrupted"] * 3 + ["completed"] * 3
    assert resumed == begun_late
    counted = [data["progress"] for _, name, data in resumed if name == "progress"]
    assert (counted, counted[-1]) == (sorted(counted), 6)
    assert refunded["global_used"] == 3
    assert ([item["status"] for item in again["items"]], charged["global_used"]) == (["completed"] * 6, 6)
    assert [asked(gemini, prompt) for prompt in PROMPTS] == [2] * 3 + [1] * 3
