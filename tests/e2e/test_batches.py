"""A batch against Google's double, with each way to store."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import asked, quota, visiting
from tests.e2e.store_setups import Stores
from tests.e2e.tasking import TASKS, story, submitted

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

PROMPTS = [
    *(f"number {number}" for number in range(7)),
    "blocked [[blocked]]",
    "worse [[prompt-blocked]]",
    "busy [[503 x2]]",
]


@pytest.fixture(scope="module")
def trial(folder: Path, fresh_stores: Stores, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    settings = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "0"}
    with running_lab(folder, **fresh_stores.settings, **gemini_settings | settings) as lab:
        yield lab


@pytest.fixture
async def client(trial: LabProcess):
    async with visiting(trial) as visitor:
        yield visitor


async def test_ten_prompts_of_which_two_are_blocked_and_one_takes_three_tries(
    client: httpx.AsyncClient, gemini: GeminiDouble
) -> None:
    gemini.clear()
    before = await quota(client)
    task_id = await submitted(client, *PROMPTS)
    told = await story(client, task_id)
    done, after = told[-1][2], await quota(client)
    archive = (await client.get(f"{TASKS}/{task_id}/images.zip")).raise_for_status().content

    assert (done["status"], done["progress"], len(done["results"]), len(done["errors"])) == ("completed", 10, 8, 2)
    assert [item["error"] and item["error"]["code"] for item in done["items"]] == [
        *[None] * 7, "content_blocked", "content_blocked", None,
    ]  # fmt: skip
    assert after["global_used"] - before["global_used"] == 8
    assert [asked(gemini, prompt) for prompt in PROMPTS] == [1] * 9 + [3]

    counted = [data["progress"] for _, name, data in told if name == "progress"]
    assert counted == sorted(counted)
    assert {0, 10} <= set(counted)
    assert len({event_id for event_id, _, _ in told}) == len(told)

    with zipfile.ZipFile(io.BytesIO(archive)) as pictures:
        assert pictures.testzip() is None
        assert pictures.namelist() == [image["filename"] for image in done["results"]]
        for image in done["results"]:
            assert pictures.read(image["filename"]) == (await client.get(image["url"])).content


async def test_a_search_that_nobody_waits_for(client: httpx.AsyncClient, gemini: GeminiDouble) -> None:
    body = {"prompt": "the weather", "search_context": "Lisbon"}
    answer = await client.post("/api/generate/search", json=body, headers={"Prefer": "respond-async"})
    told = await story(client, answer.json()["task_id"])
    [image] = told[-1][2]["results"]
    item = (await client.get(f"/api/history/{image['id']}")).raise_for_status().json()["item"]

    assert (answer.status_code, told[-1][2]["mode"], item["mode"]) == (202, "search", "search")
    assert item["grounding"]["sources"] != []
    assert gemini.requests[-1].body["tools"] == [{"googleSearch": {}}]
