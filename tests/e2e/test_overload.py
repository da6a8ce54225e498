"""More is asked for than one process will take."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import generate, history

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

SEVEN = [f"guest {number} [[hold the door]]" for number in range(7)]


@pytest.fixture(scope="module")
def lab(folder: Path, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **gemini_settings, MAX_CONCURRENT_GENERATIONS="2", MAX_WAITING_GENERATIONS="2") as process:
        yield process


async def test_beyond_the_waiting_room_callers_are_turned_away_before_anything_is_paid(
    client: httpx.AsyncClient, gemini: GeminiDouble
) -> None:
    """Two are served, two wait, three are turned away at once."""
    gemini.clear()
    asking = [asyncio.create_task(generate(client, prompt)) for prompt in SEVEN]
    finished = asyncio.as_completed(asking)
    turned_away = [await next(finished) for _ in range(3)]
    await gemini.until(lambda requests: len(requests) == 2)
    gemini.release("the door")
    served = [await next(finished) for _ in range(4)]

    assert {(503, "overloaded")} == {(answer.status_code, answer.json()["code"]) for answer in turned_away}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in turned_away)
    assert [answer.status_code for answer in served] == [200] * 4
    assert 4 == len(gemini.requests) == len(await history(client))
