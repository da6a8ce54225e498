"""A trial for guests, and a look behind its back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from dishka import Provider, Scope
from tests.e2e.asking import generate, guest_token, visiting
from tests.e2e.store_setups import Stores

from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.reservation import LEASE_SECONDS
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess

FOR_GUESTS = {
    "TRIAL_ENABLED": "true",
    "TRIAL_GLOBAL_QUOTA": "10",
    "TRIAL_COOLDOWN_SECONDS": "600",
    "AUTH_ENABLED": "true",
    "SECRET_KEY": "one key for every process of these tests",
    "RATE_LIMIT_ENABLED": "false",
}
"""Ten guests can make a picture each, and none of them a second one while a test runs."""

LEASE_IS_OVER = LEASE_SECONDS + 1

HELD = "a picture that takes its time [[hold it]]"


@asynccontextmanager
async def new_guests(number: int, *labs: LabProcess) -> AsyncIterator[list[list[httpx.AsyncClient]]]:
    """So many guests, each with a client for each of the labs."""
    tokens = [await guest_token(labs[0]) for _ in range(number)]
    async with known_guests(tokens, *labs) as clients:
        yield clients


@asynccontextmanager
async def known_guests(tokens: Sequence[str], *labs: LabProcess) -> AsyncIterator[list[list[httpx.AsyncClient]]]:
    """The guests with these tokens, each with a client for each of the labs."""
    async with AsyncExitStack() as stack:
        yield [[await stack.enter_async_context(visiting(lab, token=token)) for lab in labs] for token in tokens]


@asynccontextmanager
async def holding(
    clients: Sequence[httpx.AsyncClient], gemini: GeminiDouble
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """A generation for each client, all of which Google has begun and does not finish before `it` is released."""
    held = [asyncio.create_task(generate(client, HELD)) for client in clients]
    await gemini.until(lambda requests: len(requests) == len(clients))
    yield held
    await asyncio.gather(*held, return_exceptions=True)


async def reap_at_once(settings: dict[str, str], *, ahead: float = 0) -> int:
    """How many reservations five more processes release together, whose clocks are ahead by so many seconds."""
    return sum(await asyncio.gather(*(_reap(settings, ahead) for _ in range(5))))


async def _reap(settings: dict[str, str], ahead: float) -> int:
    now = datetime.now(UTC) + timedelta(seconds=ahead)
    clock = Provider(scope=Scope.APP)
    clock.provide(lambda: FrozenClock(now), provides=Clock)
    container = make_container(read_settings(settings), clock)
    try:
        return await (await container.get(Ledger)).release_expired()
    finally:
        await container.close()


def reservations(stores: Stores) -> list[str]:
    """What is left of any reservation, also in the index of their deadlines."""
    return [name for name, kept in stores.index().items() if name.startswith("quota/reservation") and kept]


def state(usage: dict[str, Any]) -> tuple[int, int, bool]:
    """Of what `GET /api/quota` says: points used, points left, and whether there is a cooldown."""
    return usage["global_used"], usage["global_remaining"], usage["cooldown_active"]


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]
