"""Let visitors use one lab for a while, then count everything twice."""

import asyncio
import random
import resource
import statistics
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.asking import guest_token, history, quota, visiting
from tests.e2e.store_setups import EmbeddedStores, ServiceStores, Stores
from tests.soak.book import Book
from tests.soak.visitor import Visitor

from nano_banana_lab.testing.gemini import running_gemini
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import running_redis
from nano_banana_lab.testing.s3_server import running_s3

SETTINGS = {
    "GOOGLE_API_KEY": "the-key-of-the-operator",
    "RETRY_DELAYS": "0.01,0.02,0.05",
    "RATE_LIMIT_ENABLED": "false",
    "AUTH_ENABLED": "true",
    "SECRET_KEY": "a key that is long enough for tokens which nobody guesses",
    "TRIAL_ENABLED": "true",
    "TRIAL_QUOTA_MODE": "auto",
    "TRIAL_GLOBAL_QUOTA": "10000000",
    "TRIAL_COOLDOWN_SECONDS": "0",
    "LOG_LEVEL": "WARNING",
}
KEPT_FOR_EVER = (":history/", ":prompts/", "/leftovers", "nbl:tasks:stream", "nbl:tasks:worker")
"""What users have, and what is empty when nothing is to be done: lists of what is to be cleared away, and the queue."""

SAMPLE_SECONDS = 1.0
PAGE_BYTES = resource.getpagesize()


@dataclass
class Sample:
    """Of the process: resident memory in MB, open file descriptors, and how many temporary files it has."""

    memory: float
    descriptors: int
    temporary: int


@dataclass
class Report:
    """`sums` has what must be one number, by where it was counted; `leftovers` is what must be nothing."""

    book: Book
    sums: dict[str, int]
    stray: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether all was counted alike, and nothing is left that should not be."""
        return len(set(self.sums.values())) == 1 and not any(self.stray.values())

    def growth(self, of: str) -> tuple[float, float]:
        """The median in the second quarter and in the last one; the first is for warming up."""
        values = [float(getattr(sample, of)) for sample in self.samples]
        quarter = max(1, len(values) // 4)
        return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])


async def soak(way: str, folder: Path, *, seconds: float, visitors: int, seed: int) -> Report:
    """Raises whatever a visitor stumbles over that is no answer of the service."""
    with _lab(way, folder) as (lab, stores):
        book, samples, over = Book(), list[Sample](), asyncio.Event()
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(visiting(lab, token=await guest_token(lab), seconds=120))
                for _ in range(visitors)
            ]
            staying = [
                asyncio.create_task(Visitor(client, book, random.Random(seed + number)).stay(over))
                for number, client in enumerate(clients)
            ]
            watching = asyncio.create_task(_watch(lab.pid, folder, samples, over))
            await asyncio.wait(staying, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            over.set()
            await asyncio.gather(*staying, watching)
            report = await _counted(book, clients, stores)
        lab.stop()
        report.stray |= {
            "keys that stay for ever, and should not": _endless(stores),
            "temporary files": [str(path) for path in _temporary(folder)],
            "bugs in the log": [line for line in lab.log().splitlines() if "Traceback" in line],
        }
        report.samples = samples
        return report


async def _counted(book: Book, clients: list[httpx.AsyncClient], stores: Stores) -> Report:
    rows = [item for client in clients for item in await history(client)]
    for client in clients:
        rows += (await client.get("/api/history", params={"mode": "upload", "limit": 100})).json()["items"]
    keys = [key for key in stores.blobs() if key.startswith("users/")]
    pool = (await quota(clients[0]))["global_used"]
    ids = {row["id"] for row in rows}
    open_points = [name for name, kept in stores.index().items() if name.startswith("quota/reservation") and kept]
    return Report(
        book=book,
        sums={
            "pictures answered and not deleted": len(book.there),
            "rows of all histories": len(rows),
            "pictures stored": sum(not key.endswith(".json") for key in keys),
            "records beside them": sum(key.endswith(".json") for key in keys),
        },
        stray={
            "answered, but not in a history": sorted(book.there - ids),
            "in a history, but never answered": sorted(ids - book.there),
            "points charged and not for a picture": pool - book.spent,
            "points still set aside": open_points,
            "answers with 500": book.bugs,
        },
    )


def _endless(stores: Stores) -> list[str]:
    found = stores.endless() if isinstance(stores, ServiceStores) else []
    return [key for key in found if not any(kind in key for kind in KEPT_FOR_EVER)]


async def _watch(pid: int, folder: Path, samples: list[Sample], over: asyncio.Event) -> None:
    while not over.is_set():
        samples.append(_sample(pid, folder))
        await asyncio.wait([asyncio.ensure_future(over.wait())], timeout=SAMPLE_SECONDS)


def _sample(pid: int, folder: Path) -> Sample:
    process = Path("/proc", str(pid))
    pages = int((process / "statm").read_text("ascii").split()[1])
    return Sample(pages * PAGE_BYTES / 1e6, len(list((process / "fd").iterdir())), len(_temporary(folder)))


def _temporary(folder: Path) -> list[Path]:
    return [path for path in (folder / "tmp").rglob("*") if path.is_file()]


@contextmanager
def _lab(way: str, folder: Path) -> Iterator[tuple[LabProcess, Stores]]:
    with ExitStack() as stack:
        (folder / "tmp").mkdir(parents=True)
        stores: Stores = EmbeddedStores(folder / "data")
        if way == "redis+s3":
            stores = ServiceStores(stack.enter_context(running_redis()), stack.enter_context(running_s3()), "soak")
        settings = {**SETTINGS, **stores.settings, "TMPDIR": str(folder / "tmp")}
        settings["GOOGLE_GEMINI_BASE_URL"] = stack.enter_context(running_gemini()).url
        yield stack.enter_context(running_lab(folder / "lab", **settings)), stores
