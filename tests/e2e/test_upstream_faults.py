"""Every way in which Google fails, as a client of the lab sees it; none leaves a trace in the history."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import generate, history, statistics, visiting

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

DEADLINES = "60,60,1"
"""In seconds, for 1K, 2K and 4K."""


@pytest.fixture(scope="module")
def lab(folder: Path, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **gemini_settings, GENERATION_TIMEOUT_SECONDS=DEADLINES) as process:
        yield process


@pytest.mark.parametrize(
    ("marker", "status", "code", "details", "calls"),
    [
        ("bad-key", 401, "invalid_api_key", {}, 1),
        ("leaked-key", 401, "invalid_api_key", {}, 1),
        ("429", 429, "upstream_rate_limited", {"reason": "rate"}, 1),
        ("429-spend", 429, "upstream_rate_limited", {"reason": "spending_cap"}, 1),
        ("500", 502, "upstream_error", {"upstream_status": 500}, 4),
        ("503", 502, "upstream_error", {"upstream_status": 503}, 4),
        ("html-502", 502, "upstream_error", {"upstream_status": 502}, 4),
        ("disconnect", 502, "upstream_error", {"reason": "unreachable"}, 4),
        ("garbage", 502, "upstream_error", {}, 1),
        ("empty", 502, "upstream_error", {}, 1),
        ("cut", 502, "upstream_error", {"reason": "answer_lost"}, 1),
        ("blocked", 400, "content_blocked", {"reason": "IMAGE_SAFETY"}, 1),
        ("prompt-blocked", 400, "content_blocked", {"reason": "PROHIBITED_CONTENT"}, 1),
        ("no-image", 502, "no_image", {"finish_reason": "NO_IMAGE"}, 1),
        ("refusal", 502, "no_image", {"text": "I can't create that picture."}, 1),
        ("unreadable", 502, "upstream_error", {}, 1),
    ],
)
async def test_a_failure_of_google_is_told_by_status_and_code(
    client: httpx.AsyncClient,
    gemini: GeminiDouble,
    marker: str,
    status: int,
    code: str,
    details: dict[str, Any],
    calls: int,
) -> None:
    gemini.clear()
    answer = await generate(client, f"a storm [[{marker}]]")
    problem = answer.json()

    assert (status, code) == (answer.status_code, problem["code"])
    assert answer.headers["content-type"].partition(";")[0] == "application/problem+json"
    assert details == {name: problem["error"]["details"].get(name) for name in details}
    assert calls == len(gemini.requests)
    assert await _nothing_kept(client)


async def test_a_rate_limit_says_how_long_to_wait(client: httpx.AsyncClient) -> None:
    answer = await generate(client, "again and again [[429]]")

    assert answer.headers["retry-after"] == "14"  # RetryInfo says 13.24 s


async def test_two_failures_that_pass_are_not_the_callers_business(
    client: httpx.AsyncClient, gemini: GeminiDouble
) -> None:
    gemini.clear()
    answer = await generate(client, "third time lucky [[503 x2]]")
    await client.delete(f"/api/history/{answer.json()['id']}")

    assert answer.status_code == 200
    assert [request.status for request in gemini.requests] == [503, 503, 200]


async def test_an_answer_after_the_deadline_is_a_timeout(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    """Google refuses a deadline below ten seconds, so it is told ten, and the lab's own clock cuts the call off."""
    (await client.get("/api/health/detailed")).raise_for_status()  # loading the SDK may take longer than a second
    gemini.clear()
    answer = await generate(client, "never [[hold for ever]]", resolution="4K")

    assert (answer.status_code, answer.json()["code"]) == (504, "upstream_timeout")
    assert answer.json()["error"]["details"]["timeout_seconds"] == 1
    assert [request.headers["x-server-timeout"] for request in gemini.requests] == ["10"]
    assert await _nothing_kept(client)


async def test_a_retired_model_is_named_with_its_successor(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with running_lab(tmp_path, **gemini_settings, IMAGE_MODEL_ID="gemini-3.1-flash-image") as lab:
        async with visiting(lab) as client:
            answer = await generate(client, "an old friend")

            assert (answer.status_code, answer.json()["code"]) == (502, "model_retired")
            assert answer.json()["error"]["details"]["successor"] == "gemini-nano-banana-2.1"
            assert await _nothing_kept(client)


async def test_without_any_key_gemini_cannot_be_asked(tmp_path: Path, gemini: GeminiDouble) -> None:
    gemini.clear()
    with running_lab(tmp_path, IMAGE_MODEL="gemini", GOOGLE_GEMINI_BASE_URL=gemini.url) as lab:
        async with visiting(lab) as client:
            without, with_own = (
                await generate(client, "whose bill?"),
                await generate(client, "mine", key="of-the-caller"),
            )

    assert (without.status_code, without.json()["code"]) == (400, "no_api_key")
    assert with_own.status_code == 200
    assert [request.prompt for request in gemini.requests] == ["mine"]


async def _nothing_kept(client: httpx.AsyncClient) -> bool:
    return await history(client) == [] and (await statistics(client))["total_images"] == 0
