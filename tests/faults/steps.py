"""What scenes are made of: asking, waiting and looking."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx
from tests.e2e.asking import generate, visiting
from tests.faults.bench import Bench

from nano_banana_lab.core.storage.store_watch import REMEMBER_SECONDS
from nano_banana_lab.testing.lab_process import LabProcess

PATIENCE = 150.0
"""Seconds, of clients and of whoever waits for a chore; far more than anything takes."""

NO_ANSWER = "none"


class Told(NamedTuple):
    """What one client was told, and after how many seconds; None when its connection broke."""

    answer: httpx.Response | None
    seconds: float


class Before(NamedTuple):
    """How things stood before the request."""

    files: set[str]
    points: int


def standing(bench: Bench) -> Before:
    return Before(bench.files(), bench.points())


def prompt_of(bench: Bench) -> str:
    return bench.row.prompt or bench.row.name


def held_prompt(bench: Bench) -> str:
    return f"{bench.row.name} [[hold {bench.row.name}]]"


async def begun(bench: Bench, *, once: str | None = None) -> "asyncio.Task[Told]":
    """A generation that Google has begun, and finishes once it is released; `once` is its Idempotency-Key."""
    body, headers = {"prompt": held_prompt(bench)}, {"Idempotency-Key": once} if once else {}
    making = asyncio.create_task(
        told_by(bench, lambda client: client.post("/api/generate", json=body, headers=headers))
    )
    await bench.gemini.until(lambda requests: any(request.prompt == body["prompt"] for request in requests))
    return making


async def asked_for(bench: Bench) -> Told:
    return await told_by(bench, lambda client: generate(client, prompt_of(bench), resolution=bench.row.resolution))


async def told_by(bench: Bench, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> Told:
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        begun = time.monotonic()
        try:
            answer = await ask(client)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            answer = None
        return Told(answer, time.monotonic() - begun)


async def noticed(bench: Bench) -> int:
    """The readiness that no memory of better times is in."""
    await asyncio.sleep(REMEMBER_SECONDS)
    return await readiness(bench.lab)


async def readiness(lab: LabProcess) -> int:
    async with visiting(lab, seconds=PATIENCE) as client:
        return (await client.get("/api/health/ready")).status_code


async def until_ready(lab: LabProcess) -> None:
    async with visiting(lab, seconds=PATIENCE) as client, asyncio.timeout(PATIENCE):
        while (await client.get("/api/health/ready")).status_code != 200:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.05)


async def until_true(happened: Callable[[], bool]) -> None:
    """For what only a look from outside can tell."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)


def in_words(answer: httpx.Response | None) -> str:
    if answer is None:
        return NO_ANSWER
    return str(answer.status_code) if answer.is_success else f"{answer.status_code} {answer.json()['code']}"
