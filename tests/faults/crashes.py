"""Scenes in which the lab is killed, at one step of a generation after the other."""

import asyncio
import sqlite3
from contextlib import closing

from tests.faults.aftermath import afterwards
from tests.faults.bench import Bench
from tests.faults.outcome import Seen
from tests.faults.steps import (
    PATIENCE,
    Before,
    Told,
    asked_for,
    begun,
    readiness,
    standing,
    until_true,
)

from nano_banana_lab.core.storage.store_watch import REMEMBER_SECONDS
from nano_banana_lab.testing.lab_process import LabProcess


async def killed_before_the_call(bench: Bench) -> Seen:
    """Points are set aside, and the lab asks once more whether its stores are there."""
    bench.lab = bench.start_lab()
    await asyncio.sleep(REMEMBER_SECONDS)  # so that it has to ask
    start, stop = standing(bench), bench.s3.stop_at("HEAD", "", answered=False)
    making = asyncio.create_task(asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    return await _killed(bench, start, making)


async def killed_during_the_call(bench: Bench) -> Seen:
    bench.lab = bench.start_lab()
    start = standing(bench)
    return await _killed(bench, start, await begun(bench))


async def killed_between_the_files(bench: Bench) -> Seen:
    return await _killed_at_the_picture(bench, answered=False)


async def killed_before_the_commit(bench: Bench) -> Seen:
    return await _killed_at_the_picture(bench, answered=True)


async def killed_before_the_answer(bench: Bench) -> Seen:
    """Redis has committed, and its reply does not arrive."""
    bench.lab = bench.start_lab(REDIS_URL=bench.replies.url)
    start, stop = standing(bench), bench.s3.stop_at("PUT", ".jpg", answered=True)
    making = asyncio.create_task(asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    bench.replies.mute()
    bench.s3.go_on(stop)
    await until_true(lambda: not bench.reservations())
    return await _killed(bench, start, making)


async def killed_while_the_index_is_locked(bench: Bench) -> Seen:
    """SQLite's commit waits for another process when the lab dies."""
    bench.lab = bench.start_lab()
    start = standing(bench)
    making = await begun(bench)
    with closing(sqlite3.connect(bench.folder / "data" / "lab.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        bench.gemini.release(bench.row.name)
        await until_true(lambda: len(bench.files() - start.files) == 2)
        await asyncio.to_thread(bench.lab.kill)
    return await _killed(bench, start, making)


async def killed_beside_another(bench: Bench) -> Seen:
    """Two processes on one Redis; the other one serves on."""
    bench.lab, survivor = bench.start_lab(), bench.start_lab()
    start = standing(bench)
    return await _killed(bench, start, await begun(bench), survivor)


async def _killed_at_the_picture(bench: Bench, *, answered: bool) -> Seen:
    bench.lab = bench.start_lab()
    start, stop = standing(bench), bench.s3.stop_at("PUT", ".jpg", answered=answered)
    making = asyncio.create_task(asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    return await _killed(bench, start, making)


async def _killed(
    bench: Bench, start: Before, making: "asyncio.Task[Told]", survivor: LabProcess | None = None
) -> Seen:
    """Kill the lab, and see what its heir, or the process beside it, makes of what it left."""
    await asyncio.to_thread(bench.lab.kill)
    told, files = await making, bench.files()
    bench.lab = survivor or bench.start_lab()
    return await afterwards(bench, start, told, files, await readiness(bench.lab))
