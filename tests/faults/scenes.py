"""When a fault strikes, step by step: each scene makes one request of its own and says what became of it."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
from dishka import Provider, Scope
from tests.e2e.asking import asked, generate, history, picture_sent, visiting
from tests.e2e.tasking import TASKS, submitted
from tests.e2e.trial import LEASE_IS_OVER
from tests.faults.bench import Bench, kinds
from tests.faults.faults import FAULTS, Fault
from tests.faults.outcome import CALIFORNIA, CHORES, LEASE, REINDEX, REPORTED, Outcome, Seen

from nano_banana_lab.adapters.gemini.rate_limits import seconds_until_quota_day
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.store_watch import REMEMBER_SECONDS
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.lab_process import LabProcess

HOUR = 3600.0
PATIENCE = 150.0
"""Seconds, of clients and of whoever waits for a chore; far more than anything takes."""

NO_ANSWER = "none"

ROUNDS = {
    "a picture is stored and not yet listed": "entered in the history",
    "a picture could not be stored": "given up that could not be stored",
}
"""What the log says where one of the lab's rounds has something to do, and what it says when that is done."""


class Told(NamedTuple):
    """What one client was told, and after how many seconds; None when its connection broke."""

    answer: httpx.Response | None
    seconds: float


class Before(NamedTuple):
    """How things stood before the request."""

    files: set[str]
    points: int


Scene = Callable[[Bench], Awaitable[Seen]]


async def before(bench: Bench) -> Seen:
    """The lab has noticed that something is wrong when the request comes."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = _standing(bench)
    fault.go_wrong(bench)
    ready = await _noticed(bench)
    told = await _asked_for(bench)
    files = bench.files()
    return await _afterwards(bench, start, told, files, ready, fault)


async def during(bench: Bench) -> Seen:
    """It strikes while the model is at work, and lasts until the client has its answer."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = _standing(bench)
    making = await _begun(bench)
    fault.go_wrong(bench)
    ready = await _noticed(bench)
    bench.gemini.release(bench.row.name)
    told = await making
    files = bench.files()
    return await _afterwards(bench, start, told, files, ready, fault)


async def for_a_moment(bench: Bench) -> Seen:
    """It strikes while the model is at work, and is over soon after the lab has met it."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = _standing(bench)
    making = await _begun(bench)
    fault.go_wrong(bench)
    bench.gemini.release(bench.row.name)
    await _met(bench, start)
    fault.get_well(bench)
    told = await making
    return await _afterwards(bench, start, told, None, None)


async def between_the_files(bench: Bench) -> Seen:
    """S3 has the sidecar, and then it strikes; it lasts until the client has its answer."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = _standing(bench)
    stop = bench.s3.stop_at("PUT", ".jpg", answered=False)
    making = asyncio.create_task(_asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    fault.go_wrong(bench)
    bench.s3.go_on(stop)
    told = await making
    files, ready = bench.files(), await _readiness(bench.lab)
    return await _afterwards(bench, start, told, files, ready, fault)


async def looking_back(bench: Bench) -> Seen:
    """It strikes when the picture is made; the request asks for its bytes."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start = _standing(bench)
    made = await _asked_for(bench)
    assert made.answer is not None
    fault.go_wrong(bench)
    ready = await _noticed(bench)
    told = await _told(bench, lambda client: client.get(f"/api/history/{made.answer.json()['id']}/image"))
    files = bench.files()
    return await _afterwards(bench, start, told, files, ready, fault)


async def uploading(bench: Bench) -> Seen:
    """It strikes when an upload is on its way into the stores, so that the lab cannot have noticed before."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start, picture = _standing(bench), await picture_sent(bench.gemini, "any picture")
    in_redis = bench.row.fault.startswith("Redis")
    stop = bench.s3.stop_at("PUT", ".jpg" if in_redis else ".json", answered=in_redis)
    form = {"image": (bench.row.name, picture, "image/jpeg")}
    sending = asyncio.create_task(_told(bench, lambda client: client.post("/api/images", files=form)))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    fault.go_wrong(bench)
    bench.s3.go_on(stop)
    told = await sending
    files, ready = bench.files(), await _noticed(bench)
    return await _afterwards(bench, start, told, files, ready, fault)


async def making_a_batch(bench: Bench) -> Seen:
    """It strikes while the model works for a task, and lasts until the lab gives up keeping the picture."""
    return await _batch(bench, lambda start: _until(lambda: any(given_up in bench.lab.log() for given_up in ROUNDS)))


async def making_a_batch_for_a_moment(bench: Bench) -> Seen:
    """It strikes while the model works for a task, and is over soon after the lab has met it."""
    return await _batch(bench, lambda start: _met(bench, start))


async def killed_before_the_call(bench: Bench) -> Seen:
    """Points are set aside, and the lab asks once more whether its stores are there."""
    bench.lab = bench.start_lab()
    await asyncio.sleep(REMEMBER_SECONDS)  # so that it has to ask
    start, stop = _standing(bench), bench.s3.stop_at("HEAD", "", answered=False)
    making = asyncio.create_task(_asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    return await _killed(bench, start, making)


async def killed_during_the_call(bench: Bench) -> Seen:
    bench.lab = bench.start_lab()
    start = _standing(bench)
    return await _killed(bench, start, await _begun(bench))


async def killed_between_the_files(bench: Bench) -> Seen:
    return await _killed_at_the_picture(bench, answered=False)


async def killed_before_the_commit(bench: Bench) -> Seen:
    return await _killed_at_the_picture(bench, answered=True)


async def killed_before_the_answer(bench: Bench) -> Seen:
    """Redis has committed, and its reply does not arrive."""
    bench.lab = bench.start_lab(REDIS_URL=bench.replies.url)
    start, stop = _standing(bench), bench.s3.stop_at("PUT", ".jpg", answered=True)
    making = asyncio.create_task(_asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    bench.replies.mute()
    bench.s3.go_on(stop)
    await _until(lambda: not bench.reservations())
    return await _killed(bench, start, making)


async def killed_while_the_index_is_locked(bench: Bench) -> Seen:
    """SQLite's commit waits for another process when the lab dies."""
    bench.lab = bench.start_lab()
    start = _standing(bench)
    making = await _begun(bench)
    with closing(sqlite3.connect(bench.folder / "data" / "lab.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        bench.gemini.release(bench.row.name)
        await _until(lambda: len(bench.files() - start.files) == 2)
        await asyncio.to_thread(bench.lab.kill)
    return await _killed(bench, start, making)


async def killed_beside_another(bench: Bench) -> Seen:
    """Two processes on one Redis; the other one serves on."""
    bench.lab, survivor = bench.start_lab(), bench.start_lab()
    start = _standing(bench)
    return await _killed(bench, start, await _begun(bench), survivor)


async def an_hour_forward(bench: Bench) -> Seen:
    """Its own rounds then take the reservation for one of a dead process."""
    return await _clock_set(bench, 0, HOUR, given_back=True)


async def an_hour_back(bench: Bench) -> Seen:
    return await _clock_set(bench, 0, -HOUR)


async def forward_over_midnight(bench: Bench) -> Seen:
    return await _clock_set(bench, _seconds_to_midnight() - 20, 40)


async def back_over_midnight(bench: Bench) -> Seen:
    return await _clock_set(bench, _seconds_to_midnight() + 20, -40)


async def beside_a_fast_clock(bench: Bench) -> Seen:
    """A second process joins whose clock is an hour ahead."""
    bench.lab = bench.start_lab()
    start = _standing(bench)
    making = await _begun(bench)
    bench.set_clock(HOUR)
    bench.start_jumping_lab()
    await _until(lambda: not bench.reservations())
    bench.gemini.release(bench.row.name)
    return await _afterwards(bench, start, await making, None, 200)


async def answered_so(bench: Bench) -> Seen:
    """Google answers as the markers of the prompt say; the lab is one that many rows share."""
    start = _standing(bench)
    told = await _asked_for(bench)
    return await _afterwards(bench, start, told, None, await _readiness(bench.lab))


SCENES: dict[str, Scene] = {
    "before": before,
    "while the model works": during,
    "while the model works, for a moment": for_a_moment,
    "between sidecar and picture": between_the_files,
    "when the picture is asked for": looking_back,
    "while a picture is uploaded": uploading,
    "while a batch is made": making_a_batch,
    "while a batch is made, for a moment": making_a_batch_for_a_moment,
    "before the call": killed_before_the_call,
    "during the call": killed_during_the_call,
    "after the sidecar": killed_between_the_files,
    "after the picture": killed_before_the_commit,
    "while the commit waits": killed_while_the_index_is_locked,
    "after the commit": killed_before_the_answer,
    "during the call, another serves on": killed_beside_another,
    "an hour forward during the call": an_hour_forward,
    "an hour back during the call": an_hour_back,
    "forward over midnight UTC during the call": forward_over_midnight,
    "back over midnight UTC during the call": back_over_midnight,
    "an hour ahead in a second process": beside_a_fast_clock,
    "its answer": answered_so,
}
"""By the moment that rows name."""


async def _met(bench: Bench, start: Before) -> None:
    """Return once the lab has met the fault: Redis with the commit of a picture, S3 and a full disk with its files."""
    fault = FAULTS[bench.row.fault]
    if fault.told_by:
        await asyncio.to_thread(bench.lab.until_logged, fault.told_by)
    else:
        await _until(lambda: len(bench.files() - start.files) == 2)


async def _batch(bench: Bench, until: Callable[[Before], Awaitable[None]]) -> Seen:
    """A task of one item, whose end is what the client is told."""
    bench.lab, fault = bench.start_lab(), FAULTS[bench.row.fault]
    start, prompt = _standing(bench), _held(bench)
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        task_id = await submitted(client, prompt)
        await bench.gemini.until(lambda requests: any(request.prompt == prompt for request in requests))
        begun = time.monotonic()
        fault.go_wrong(bench)
        bench.gemini.release(bench.row.name)
        await until(start)
        fault.get_well(bench)
        await _until_ready(bench.lab)
        answer = await _end_of(client, task_id)
    seconds = time.monotonic() - begun
    seen = await _afterwards(bench, start, Told(None, seconds), None, None)
    return Seen(replace(seen.outcome, answer=answer), seconds)


async def _end_of(client: httpx.AsyncClient, task_id: str) -> str:
    """What has become of a task's only item."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await client.get(f"{TASKS}/{task_id}")).is_success:
            item = answer.json()["items"][0]
            if item["status"] not in ("queued", "processing"):
                return " ".join([item["status"], *([item["error"]["code"]] if item["error"] else [])])
            await asyncio.sleep(0.05)
    return _in_words(answer)


async def _clock_set(bench: Bench, ahead: float, jump: float, *, given_back: bool = False) -> Seen:
    bench.set_clock(ahead)
    bench.lab = bench.start_jumping_lab()
    start = _standing(bench)
    making = await _begun(bench)
    bench.set_clock(ahead + jump)
    if given_back:
        await _until(lambda: not bench.reservations())
    bench.gemini.release(bench.row.name)
    told = await making
    return await _afterwards(bench, start, told, None, await _readiness(bench.lab))


async def _killed_at_the_picture(bench: Bench, *, answered: bool) -> Seen:
    bench.lab = bench.start_lab()
    start, stop = _standing(bench), bench.s3.stop_at("PUT", ".jpg", answered=answered)
    making = asyncio.create_task(_asked_for(bench))
    await asyncio.to_thread(stop.reached.wait, PATIENCE)
    return await _killed(bench, start, making)


async def _killed(
    bench: Bench, start: Before, making: "asyncio.Task[Told]", survivor: LabProcess | None = None
) -> Seen:
    """Kill the lab, and see what its heir, or the process beside it, makes of what it left."""
    await asyncio.to_thread(bench.lab.kill)
    told, files = await making, bench.files()
    bench.lab = survivor or bench.start_lab()
    return await _afterwards(bench, start, told, files, await _readiness(bench.lab))


async def _afterwards(
    bench: Bench, start: Before, told: Told, files: set[str] | None, ready: int | None, fault: Fault | None = None
) -> Seen:
    """Mend the fault unless that is done, and look at what is left, at once and once everything has healed it."""
    found = (bench.files() if files is None else files) - start.files
    if fault is not None:
        fault.get_well(bench)
    await _until_ready(bench.lab)
    listed, charged = await _listed(bench), bench.points() - start.points
    healed_by = await _heal(bench)
    listed_at_last, charged_at_last = await _listed(bench), bench.points() - start.points
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        again = await generate(client, f"after {bench.row.name}")
    outcome = Outcome(
        answer=_in_words(told.answer),
        retry_after=_wait(told.answer),
        asked=asked(bench.gemini, _prompt(bench)) + asked(bench.gemini, _held(bench)),
        files=kinds(found),
        ready=ready,
        listed=listed,
        charged=charged,
        healed_by=healed_by,
        listed_at_last=listed_at_last,
        charged_at_last=charged_at_last,
        again=again.status_code,
    )
    return Seen(outcome, told.seconds)


async def _heal(bench: Bench) -> tuple[str, ...]:
    """Let a minute pass for reservations, wait for what the lab does by itself, reindex; says what of it did anything."""
    clock, later = Provider(scope=Scope.APP), datetime.now(UTC) + timedelta(seconds=LEASE_IS_OVER)
    clock.provide(lambda: FrozenClock(later), provides=Clock)
    container = make_container(read_settings(bench.settings), clock)
    try:
        lease = await (await container.get(Ledger)).release_expired()
        rounds = [done for begun, done in ROUNDS.items() if begun in bench.lab.log()]
        await _until(lambda: all(done in bench.lab.log() for done in rounds))
        report = await (await container.get(Reindex))()
    finally:
        await container.close()
    did = {LEASE: lease, CHORES: rounds, REINDEX: report.restored or report.ghosts, REPORTED: report.troubles}
    return tuple(name for name, something in did.items() if something)


def _standing(bench: Bench) -> Before:
    return Before(bench.files(), bench.points())


def _prompt(bench: Bench) -> str:
    return bench.row.prompt or bench.row.name


def _held(bench: Bench) -> str:
    return f"{bench.row.name} [[hold {bench.row.name}]]"


async def _begun(bench: Bench) -> "asyncio.Task[Told]":
    """A generation that Google has begun, and finishes once it is released."""
    prompt = _held(bench)
    making = asyncio.create_task(_told(bench, lambda client: generate(client, prompt)))
    await bench.gemini.until(lambda requests: any(request.prompt == prompt for request in requests))
    return making


async def _asked_for(bench: Bench) -> Told:
    return await _told(bench, lambda client: generate(client, _prompt(bench), resolution=bench.row.resolution))


async def _told(bench: Bench, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> Told:
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        begun = time.monotonic()
        try:
            answer = await ask(client)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            answer = None
        return Told(answer, time.monotonic() - begun)


async def _noticed(bench: Bench) -> int:
    """The readiness that no memory of better times is in."""
    await asyncio.sleep(REMEMBER_SECONDS)
    return await _readiness(bench.lab)


async def _readiness(lab: LabProcess) -> int:
    async with visiting(lab, seconds=PATIENCE) as client:
        return (await client.get("/api/health/ready")).status_code


async def _until_ready(lab: LabProcess) -> None:
    async with visiting(lab, seconds=PATIENCE) as client, asyncio.timeout(PATIENCE):
        while (await client.get("/api/health/ready")).status_code != 200:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)


async def _listed(bench: Bench) -> int:
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        uploads = await client.get("/api/history", params={"mode": "upload"})
        prompts = [line["prompt"] for line in [*await history(client), *uploads.raise_for_status().json()["items"]]]
    return prompts.count(_prompt(bench)) + prompts.count(_held(bench))


async def _until(happened: Callable[[], bool]) -> None:
    """For what only a look from outside can tell."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)


def _in_words(answer: httpx.Response | None) -> str:
    if answer is None:
        return NO_ANSWER
    return str(answer.status_code) if answer.is_success else f"{answer.status_code} {answer.json()['code']}"


def _wait(answer: httpx.Response | None) -> str | None:
    wait: str | None = answer.headers.get("retry-after") if answer is not None else None
    if wait is not None and abs(int(wait) - seconds_until_quota_day(datetime.now(UTC))) < PATIENCE:
        return CALIFORNIA
    return wait


def _seconds_to_midnight() -> float:
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()
