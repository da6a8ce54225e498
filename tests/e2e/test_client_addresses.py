"""Whose requests count together, as real processes see it: behind a proxy, with forged headers, on one store."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import visiting

from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer

REQUESTS = 3
Chain = tuple[str, ...]
"""The `X-Forwarded-For` lines of one request."""


def endless_window() -> str:
    """The length in seconds of a window that has at least ten minutes left, also just before midnight."""
    now = time.time()
    return str(next(length for length in range(86400, 0, -1) if length - now % length > 600))


@pytest.fixture(scope="module")
def settings(redis_server: RedisServer) -> dict[str, str]:
    redis_server.flush()
    window = {"RATE_LIMIT_REQUESTS": str(REQUESTS), "RATE_LIMIT_WINDOW": endless_window()}
    return {"IMAGE_MODEL": "sketch", "REDIS_URL": redis_server.url, "SECRET_KEY": "k" * 48, **window}


@pytest.fixture(scope="module")
def pair(folder: Path, settings: dict[str, str]) -> Iterator[tuple[LabProcess, LabProcess]]:
    """Two processes on one store that believe what comes from this machine, as they do unless told otherwise."""
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield one, two


@pytest.fixture(scope="module")
def wary_lab(folder: Path, settings: dict[str, str]) -> Iterator[LabProcess]:
    """A lab that believes another machine, and so nobody here."""
    with running_lab(folder / "wary", **settings, FORWARDED_ALLOW_IPS="10.0.0.1") as process:
        yield process


async def ask(client: httpx.AsyncClient, chain: Chain) -> int:
    headers = [("X-Forwarded-For", line) for line in chain]
    return (await client.get("/api/history", headers=headers)).status_code


async def answers(lab: LabProcess, *chains: Chain) -> list[int]:
    async with visiting(lab) as client:
        return [await ask(client, chain) for chain in chains]


async def test_a_believed_proxy_speaks_for_its_clients(pair: tuple[LabProcess, LabProcess]) -> None:
    one, other = ("198.51.100.1",), ("198.51.100.2",)

    assert await answers(pair[0], one, one, one, one, other) == [200, 200, 200, 429, 200]


@pytest.mark.parametrize(
    "chains",
    [
        [("1.2.3.4, 198.51.100.3",), ("5.6.7.8, 198.51.100.3",), ("owner/admin, 198.51.100.3",), ("198.51.100.3",)],
        [("1.2.3.4", "198.51.100.4"), ("127.0.0.1", "198.51.100.4"), ("", "198.51.100.4"), ("198.51.100.4",)],
        [("198.51.100.5:1000",), ("198.51.100.5:2000",), ("198.51.100.5, 127.0.0.1",), ("::ffff:198.51.100.5",)],
        [("2001:db8:1:2::1",), ("[2001:db8:1:2::2]:80",), ("2001:db8:1:2:3:4:5:6",), ("2001:db8:1:2:ffff::",)],
    ],
    ids=["what the client wrote itself", "in lines of its own", "one address", "one IPv6 network"],
)
async def test_a_client_counts_as_what_the_proxy_saw(pair: tuple[LabProcess, LabProcess], chains: list[Chain]) -> None:
    assert await answers(pair[0], *chains) == [200, 200, 200, 429]


async def test_nobody_else_is_believed(wary_lab: LabProcess) -> None:
    forged = [(f"198.51.100.{number}",) for number in range(100, 103)]

    assert await answers(wary_lab, *forged, ("198.51.100.200",), ()) == [200, 200, 200, 429, 429]


async def test_processes_on_one_store_count_together_however_their_requests_race(
    pair: tuple[LabProcess, LabProcess],
) -> None:
    async with visiting(pair[0]) as one, visiting(pair[1]) as two:
        racing = [ask(client, (f"203.0.113.{number}",)) for number in range(5) for client in [one, two] * 20]
        statuses = await asyncio.gather(*racing)
    of_each = [Counter(statuses[start : start + 40]) for start in range(0, len(statuses), 40)]

    assert of_each == [Counter({200: REQUESTS, 429: 40 - REQUESTS})] * 5
