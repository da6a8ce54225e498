"""Several processes on the same stores see the same history."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.asking import generate, history, picture_sent, statistics, visiting
from tests.e2e.store_setups import EmbeddedStores, ServiceStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, run_lab_command, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server


@pytest.fixture(scope="module")
def pair(
    folder: Path, redis_server: RedisServer, s3_server: S3Server, gemini_settings: dict[str, str]
) -> Iterator[tuple[LabProcess, LabProcess]]:
    stores = ServiceStores(redis_server, s3_server, "shared-by-two")
    settings = stores.settings | gemini_settings
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield one, two


async def test_a_picture_made_by_one_process_is_listed_and_served_by_the_other(
    pair: tuple[LabProcess, LabProcess], gemini: GeminiDouble
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        made = (await generate(one, "a bridge")).raise_for_status().json()
        line = next(line for line in await history(two) if line["id"] == made["id"])
        content = (await two.get(line["url"])).content

    assert line["prompt"] == "a bridge"
    assert await picture_sent(gemini, "a bridge") == content


async def test_sums_stay_true_while_both_generate_and_delete(pair: tuple[LabProcess, LabProcess]) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        both = (one, two)
        first = await asyncio.gather(*(generate(both[n % 2], f"early {n}") for n in range(16)))
        doomed = [answer.json()["id"] for answer in first[:10]]
        # Both are told to delete the same pictures, of which each must go and be subtracted once.
        deletions = [each.request("DELETE", "/api/history", json={"ids": doomed}) for each in both]
        generations = [generate(both[n % 2], f"late {n}") for n in range(16)]
        deleted_by_one, deleted_by_two, *late = await asyncio.gather(*deletions, *generations)
        lines, sums, same_sums = await history(one), await statistics(one), await statistics(two)

    assert {200} == {answer.status_code for answer in [*first, *late]}
    assert deleted_by_one.json()["deleted_count"] + deleted_by_two.json()["deleted_count"] == 10
    assert set() == set(doomed) & {line["id"] for line in lines}
    assert (len(lines), sum(line["size_bytes"] for line in lines)) == (sums["total_images"], sums["total_bytes"])
    assert sums == same_sums


async def test_the_command_line_works_beside_a_busy_service_on_one_data_directory(
    tmp_path: Path, gemini_settings: dict[str, str]
) -> None:
    stores = EmbeddedStores(tmp_path / "shared")
    settings = stores.settings | gemini_settings
    with running_lab(tmp_path, **settings) as lab:
        async with visiting(lab) as client:
            typing = asyncio.to_thread(run_lab_command, "generate", "typed", folder=tmp_path / "terminal", **settings)
            asking = (generate(client, f"asked {n} [[slow {n / 20}]]") for n in range(30))
            typed, *answers = await asyncio.gather(typing, *asking)
            lines, sums = await history(client), await statistics(client)

    assert {200} == {answer.status_code for answer in answers}
    assert typed.returncode == 0, typed.stderr
    assert 31 == len(lines) == sums["total_images"]
    assert "typed" in {line["prompt"] for line in lines}
    assert {line["r2_key"] for line in lines} == {key for key in stores.blobs() if key.endswith(".jpg")}
