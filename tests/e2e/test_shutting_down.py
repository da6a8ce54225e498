"""SIGTERM: what is being paid for is finished, within the grace time, and nothing else begins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from tests.e2e.asking import generate, picture_sent, visiting
from tests.e2e.store_setups import EmbeddedStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

LAST = "the last one [[hold it]]"
LONG = "600"
"""Seconds of grace that no test would wait for."""


@asynccontextmanager
async def _holding(
    lab: LabProcess, gemini: GeminiDouble, *prompts: str
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Generations that Google has begun and does not finish before `[[hold ...]]` is released."""
    gemini.clear()
    async with visiting(lab) as client:
        held = [asyncio.create_task(generate(client, prompt)) for prompt in prompts]
        await gemini.until(lambda requests: len(requests) == len(prompts))
        yield held
        await asyncio.gather(*held, return_exceptions=True)


async def test_running_generations_are_finished_and_new_ones_refused(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with running_lab(tmp_path, **gemini_settings, SHUTDOWN_GRACE_SECONDS=LONG) as lab:
        async with visiting(lab) as idle, _holding(lab, gemini, *(f"{name} [[hold all]]" for name in "abc")) as held:
            await idle.get("/api/health/live")
            lab.terminate()
            await asyncio.to_thread(lab.until_logged, "shutting down")
            async with visiting(lab) as newcomer:
                ready, refused = await newcomer.get("/api/health/ready"), await generate(newcomer, "too late")
            gemini.release("all")
            finished = await asyncio.gather(*held)
            code = await asyncio.to_thread(lab.wait)

    assert (ready.status_code, ready.json()["status"]) == (503, "unhealthy")
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert [answer.status_code for answer in finished] == [200, 200, 200]
    assert len(gemini.requests) == 3
    assert code == 0
    assert lab.log().count("status=200") == 3
    assert "Finished server process" in lab.log().splitlines()[-1]


async def test_pictures_finished_while_shutting_down_are_in_the_history_of_the_next_process(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with running_lab(tmp_path, **gemini_settings, SHUTDOWN_GRACE_SECONDS=LONG) as lab:
        async with _holding(lab, gemini, LAST) as held:
            held[0].cancel()
            lab.terminate()
            await asyncio.to_thread(lab.until_logged, "shutting down")
            gemini.release("it")
            code = await asyncio.to_thread(lab.wait)
    kept = EmbeddedStores(tmp_path / "data")

    assert code == 0
    assert [await picture_sent(gemini, LAST)] == [
        content for key, content in kept.blobs().items() if key.endswith(".jpg")
    ]
    assert kept.index()["history/anonymous/statistics"]["images.basic"] == 1


async def test_an_idle_service_ends_at_once(tmp_path: Path, gemini_settings: dict[str, str]) -> None:
    with running_lab(tmp_path, **gemini_settings, SHUTDOWN_GRACE_SECONDS=LONG) as lab:
        async with visiting(lab) as idle:
            await idle.get("/api/health/live")
            code = await asyncio.to_thread(lab.stop)

    assert code == 0


async def test_when_the_grace_time_is_over_the_service_ends_and_says_what_it_cut_off(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with running_lab(tmp_path, **gemini_settings, SHUTDOWN_GRACE_SECONDS="0.2") as lab:
        async with _holding(lab, gemini, "never ready [[hold for ever]]") as held:
            code = await asyncio.to_thread(lab.stop)
            answer = await held[0]

    assert code == 0
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "cut off" in lab.log()
    assert "Traceback" not in lab.log()


async def test_a_second_signal_does_not_wait_for_the_grace_time(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with running_lab(tmp_path, **gemini_settings, SHUTDOWN_GRACE_SECONDS=LONG) as lab:
        async with _holding(lab, gemini, "never ready [[hold for ever]]"):
            lab.terminate()
            await asyncio.to_thread(lab.until_logged, "shutting down")
            code = await asyncio.to_thread(lab.stop)

    assert code == 0
    assert "Finished server process" in lab.log().splitlines()[-1]
