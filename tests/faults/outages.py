"""Scenes in which something that the lab depends on fails and comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
from tests.e2e.asking import picture_sent, visiting
from tests.e2e.tasking import TASKS, submitted
from tests.faults.aftermath import ROUNDS, afterwards
from tests.faults.bench import Bench
from tests.faults.faults import FAULTS
from tests.faults.outcome import Seen
from tests.faults.steps import (
    PATIENCE,
    Before,
    Told,
    asked_for,
    begun,
    held_prompt,
    in_words,
    noticed,
    readiness,
    standing,
    told_by,
    until_ready,
    until_true,
)


async def before(bench: Bench) -> Seen:
    """The lab has noticed that something is wrong when the request comes."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    fault.go_wrong(bench)
    ready = await noticed(bench)
    told = await asked_for(bench)
    files = bench.files()
    return await afterwards(bench, start, told, files, ready, fault)


async def during(bench: Bench) -> Seen:
    """It strikes while the model is at work, and lasts until the client has its answer."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    making = await begun(bench)
    fault.go_wrong(bench)
    ready = await noticed(bench)
    bench.gemini.release(bench.row.name)
    told = await making
    files = bench.files()
    return await afterwards(bench, start, told, files, ready, fault)


async def for_a_moment(bench: Bench) -> Seen:
    """It strikes while the model is at work, and is over soon after the lab has met it."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    making = await begun(bench)
    fault.go_wrong(bench)
    bench.gemini.release(bench.row.name)
    await _met(bench, start)
    fault.get_well(bench)
    told = await making
    return await afterwards(bench, start, told, None, None)


async def between_the_files(bench: Bench) -> Seen:
    """S3 has the sidecar, and then it strikes; it lasts until the client has its answer."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    stop = bench.s3.stop_at("PUT", ".jpg", answered=False)
    making = asyncio.create_task(asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    fault.go_wrong(bench)
    bench.s3.go_on(stop)
    told = await making
    files, ready = bench.files(), await readiness(bench.lab)
    return await afterwards(bench, start, told, files, ready, fault)


async def looking_back(bench: Bench) -> Seen:
    """It strikes when the picture is made; the request asks for its bytes."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    made = await asked_for(bench)
    assert made.answer is not None
    fault.go_wrong(bench)
    ready = await noticed(bench)
    told = await told_by(bench, lambda client: client.get(f"/api/history/{made.answer.json()['id']}/image"))
    files = bench.files()
    return await afterwards(bench, start, told, files, ready, fault)


async def during_with_a_key(bench: Bench) -> Seen:
    """As `during`, with an Idempotency-Key; the next request is a repeat with the same key as soon as all is well."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = standing(bench)
    making = await begun(bench, once="only this one")
    fault.go_wrong(bench)
    ready = await noticed(bench)
    bench.gemini.release(bench.row.name)
    told, files = await making, bench.files()
    fault.get_well(bench)
    await until_ready(bench.lab)
    repeated = await (await begun(bench, once="only this one"))
    assert repeated.answer is not None
    seen = await afterwards(bench, start, told, files, ready)
    return Seen(replace(seen.outcome, again=repeated.answer.status_code), seen.seconds)


async def uploading(bench: Bench) -> Seen:
    """It strikes when an upload is on its way into the stores, so that the lab cannot have noticed before."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start, picture = standing(bench), await picture_sent(bench.gemini, "any picture")
    in_redis = bench.row.fault.startswith("Redis")
    stop = bench.s3.stop_at("PUT", ".jpg" if in_redis else ".json", answered=in_redis)
    form = {"image": (bench.row.name, picture, "image/jpeg")}
    sending = asyncio.create_task(told_by(bench, lambda client: client.post("/api/images", files=form)))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    fault.go_wrong(bench)
    bench.s3.go_on(stop)
    told = await sending
    files, ready = bench.files(), await noticed(bench)
    return await afterwards(bench, start, told, files, ready, fault)


async def making_a_batch(bench: Bench) -> Seen:
    """It strikes while the model works for a task, and lasts until the lab gives up keeping the picture."""
    return await _batch(
        bench, lambda start: until_true(lambda: any(given_up in bench.lab.log() for given_up in ROUNDS))
    )


async def making_a_batch_for_a_moment(bench: Bench) -> Seen:
    """It strikes while the model works for a task, and is over soon after the lab has met it."""
    return await _batch(bench, lambda start: _met(bench, start))


async def answered_so(bench: Bench) -> Seen:
    """Google answers as the markers of the prompt say; the lab is one that many rows share."""
    start = standing(bench)
    told = await asked_for(bench)
    return await afterwards(bench, start, told, None, await readiness(bench.lab))


async def _met(bench: Bench, start: Before) -> None:
    """Return once the lab has met the fault: Redis with the commit of a picture, S3 and a full disk with its files."""
    fault = FAULTS[bench.row.fault]
    if fault.told_by:
        await asyncio.to_thread(bench.lab.until_logged, fault.told_by)
    else:
        await until_true(lambda: len(bench.files() - start.files) == 2)


async def _batch(bench: Bench, until: Callable[[Before], Awaitable[None]]) -> Seen:
    """A task of one item, whose end is what the client is told."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start, prompt = standing(bench), held_prompt(bench)
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        task_id = await submitted(client, prompt)
        await bench.gemini.until(lambda requests: any(request.prompt == prompt for request in requests))
        begun = time.monotonic()
        fault.go_wrong(bench)
        bench.gemini.release(bench.row.name)
        await until(start)
        fault.get_well(bench)
        await until_ready(bench.lab)
        answer = await _end_of(client, task_id)
    seconds = time.monotonic() - begun
    seen = await afterwards(bench, start, Told(None, seconds), None, None)
    return Seen(replace(seen.outcome, answer=answer), seconds)


async def _end_of(client: httpx.AsyncClient, task_id: str) -> str:
    """What has become of a task's only item."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await client.get(f"{TASKS}/{task_id}")).is_success:
            item = answer.json()["items"][0]
            if item["status"] not in ("queued", "processing"):
                return " ".join([item["status"], *([item["error"]["code"]] if item["error"] else [])])
            await asyncio.sleep(0.05)
    return in_words(answer)
