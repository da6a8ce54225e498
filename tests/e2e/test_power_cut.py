"""The process dies in the middle of its work, and nothing is half afterwards."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.asking import generate, history, statistics, visiting
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.lab_process import run_lab_command, running_lab

PROMPTS = [f"frame {number} [[slow {number * 0.015:.3f}]]" for number in range(60)]
ANSWERED_BEFORE_THE_CUT = 12


async def test_after_a_power_cut_every_saved_picture_is_in_the_history_and_every_loss_is_reported(
    folder: Path, fresh_stores: Stores, gemini_settings: dict[str, str]
) -> None:
    settings = fresh_stores.settings | gemini_settings
    with running_lab(folder, **settings) as lab:
        async with visiting(lab) as client:
            answered = await _answered_before(lab.kill, client)
    with running_lab(folder, **settings) as lab:
        reindexed = run_lab_command("reindex", folder=folder, **settings)
        async with visiting(lab) as client:
            lines, sums = await history(client), await statistics(client)
            served = [await client.get(line["url"]) for line in lines]

    blobs = fresh_stores.blobs()
    listed = {line["r2_key"] for line in lines}
    reported = {key for key in blobs if f": {key}\n" in reindexed.stdout}
    assert ANSWERED_BEFORE_THE_CUT <= len(answered) <= len(lines) < len(PROMPTS)
    assert answered <= {line["id"] for line in lines}
    assert {key for key in blobs if key.endswith(".jpg")} == listed
    assert {key for key in blobs if key.endswith(".json")} == {_sidecar(key) for key in listed} | reported
    assert [blobs[line["r2_key"]] for line in lines] == [answer.content for answer in served]
    assert [answer.headers["etag"] for answer in served] == [_etag(answer.content) for answer in served]
    assert _recount(lines) == {name: sums[name] for name in _recount(lines)}
    assert int(bool(reported)) == reindexed.returncode
    print(reindexed.stdout)


def _sidecar(key: str) -> str:
    return f"{key.removesuffix('.jpg')}.json"


async def _answered_before(cut: Callable[[], None], client: httpx.AsyncClient) -> set[str]:
    """Ask for all pictures at once, cut when some have been answered, and say which those are."""
    asking = [asyncio.create_task(generate(client, prompt)) for prompt in PROMPTS]
    answered = set[str]()
    for answer in asyncio.as_completed(asking):
        answered.add((await answer).raise_for_status().json()["id"])
        if len(answered) == ANSWERED_BEFORE_THE_CUT:
            break
    cut()
    for each in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(each, httpx.Response):
            answered.add(each.raise_for_status().json()["id"])
    return answered


def _recount(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "total_images": len(lines),
        "images_by_mode": dict(Counter(line["mode"] for line in lines)),
        "total_bytes": sum(line["size_bytes"] for line in lines),
        "total_duration": round(sum(line["duration"] for line in lines), 3),
        "total_cost_usd": round(sum(line["cost_usd"] for line in lines), 6),
        "earliest_date": min(line["created_at"] for line in lines),
        "latest_date": max(line["created_at"] for line in lines),
    }


def _etag(content: bytes) -> str:
    """The lab's strong ETag is the hash of the record, which was taken before the bytes were stored."""
    return f'"{hashlib.sha256(content).hexdigest()}"'
