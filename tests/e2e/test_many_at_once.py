"""A whole office asks at the same moment, and the model takes two seconds for each."""

import asyncio
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import generate, history, picture_sent, statistics, visiting
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

PROMPTS = [f"the view from window {number} [[slow 2 x1]]" for number in range(256)]


@pytest.fixture(scope="module")
def lab(folder: Path, fresh_stores: Stores, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **fresh_stores.settings, **gemini_settings) as process:
        yield process


async def test_many_at_once_all_get_their_own_picture_while_the_service_answers_probes(
    lab: LabProcess, gemini: GeminiDouble
) -> None:
    gemini.clear()
    latencies: list[float] = []
    async with visiting(lab, seconds=120) as office:
        async with _probing(lab, latencies):
            started = time.perf_counter()
            answers = await asyncio.gather(*(generate(office, prompt, key=_key_for(prompt)) for prompt in PROMPTS))
            took = time.perf_counter() - started
        lines, sums = await history(office), await statistics(office)
    calls = gemini.requests
    sent = await asyncio.gather(*(picture_sent(gemini, prompt) for prompt in PROMPTS))
    print(f"\n{len(PROMPTS)} generations in {took:.2f} s, meanwhile live {_described(latencies)}")

    assert {200} == {answer.status_code for answer in answers}
    assert [_sha256(picture) for picture in sent] == [each["image"]["sha256"] for each in _bodies(answers)]
    assert {_sha256(_key_for(prompt).encode()): prompt for prompt in PROMPTS} == {
        call.key_sha256: call.prompt for call in calls
    }
    assert {each["id"]: each["prompt"] for each in _bodies(answers)} == {line["id"]: line["prompt"] for line in lines}
    assert (len(lines), sums["total_images"], sums["images_by_mode"]) == (256, 256, {"basic": 256})
    assert len(latencies) >= 20


@contextlib.asynccontextmanager
async def _probing(lab: LabProcess, latencies: list[float]) -> AsyncIterator[None]:
    """Ask `live` over and over meanwhile, as an orchestrator would in its hurry; in a thread, undisturbed by us."""
    over = threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=lab.url, timeout=60) as orchestrator:
            while not over.wait(0.01):
                started = time.perf_counter()
                orchestrator.get("/api/health/live").raise_for_status()
                latencies.append(time.perf_counter() - started)

    probing = asyncio.create_task(asyncio.to_thread(probe))
    try:
        yield
    finally:
        over.set()
        await probing


def _bodies(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    return [answer.json() for answer in answers]


def _key_for(prompt: str) -> str:
    return "key-for-window-" + re.sub(r"\D+", "-", prompt)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _described(latencies: list[float]) -> str:
    ordered = sorted(latencies)
    half, almost_all = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
    return f"{len(ordered)} times: p50 {half:.1f} ms, p99 {almost_all:.1f} ms, worst {ordered[-1] * 1000:.1f} ms"
