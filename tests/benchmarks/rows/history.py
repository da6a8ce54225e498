"""Pages and sums of a history of 100,000 pictures, against those of a history of 100 in a store of the same kind.

Measured is the use case on the store, without HTTP, which would only hide a difference. Two lines are not judged:
a page by offset skips half of the history, and one by date counts half of it for its `total`, which SQLite does
entry by entry.
"""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, in_turns

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.history.bookkeeping import entering
from nano_banana_lab.core.history.find_pictures import FindPictures, HistoryQuery
from nano_banana_lab.core.history.keys import picture_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.history.statistics import Statistics
from nano_banana_lab.core.shared.clock import SystemClock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.operations import Add, Operation
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore

OWNER = OwnerId("somebody")
FEW = 100
PER_COMMIT = 100
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class History:
    """So many pictures in a store."""

    store: KeyValueStore
    size: int

    async def page(self) -> None:
        await self._find(HistoryQuery(owner=OWNER))

    async def page_behind_a_cursor(self) -> None:
        await self._find(HistoryQuery(owner=OWNER, after=Entry(milliseconds(self._middle), "g")))

    async def statistics(self) -> None:
        found = await Statistics(key_values=self.store)(OWNER)
        assert self.size == found.total_images

    async def page_by_offset(self) -> None:
        await self._find(HistoryQuery(owner=OWNER, offset=self.size // 2))

    async def page_of_the_first_half(self) -> None:
        await self._find(HistoryQuery(owner=OWNER, date_to=self._middle))

    @property
    def _middle(self) -> datetime:
        return BEGIN + timedelta(seconds=self.size // 2)

    async def _find(self, query: HistoryQuery) -> None:
        found = await FindPictures(key_values=self.store)(query)
        assert len(found.pictures) == 20


ACTS: dict[str, tuple[Callable[[History], Awaitable[None]], Target | None]] = {
    "page": (History.page, Target(1.5, "at most")),
    "page behind a cursor": (History.page_behind_a_cursor, Target(1.5, "at most")),
    "statistics": (History.statistics, Target(1.5, "at most")),
    "page behind half of it": (History.page_by_offset, None),
    "page of a half by date": (History.page_of_the_first_half, None),
}


async def run(bench: Bench) -> AsyncIterator[Line]:
    many, times = bench.size(100_000, quick=1_000), bench.size(200, quick=10)
    for stores in ("memory", "sqlite", "redis"):
        async with _histories(bench, stores, many) as (large, small):
            for what, (act, target) in ACTS.items():

                async def ours(act: Callable[[History], Awaitable[None]] = act, large: History = large) -> float:
                    return await _milliseconds(act, large, times)

                async def yardstick(act: Callable[[History], Awaitable[None]] = act, small: History = small) -> float:
                    return await _milliseconds(act, small, times)

                found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
                yield Line(
                    what=f"history of {many}, {what}",
                    stores=stores,
                    unit="ms",
                    ours=found,
                    yardstick=compared,
                    target=target,
                )


async def _milliseconds(act: Callable[[History], Awaitable[None]], history: History, times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        await act(history)
    return (time.perf_counter() - begun) / times * 1000


@contextlib.asynccontextmanager
async def _histories(bench: Bench, stores: str, many: int) -> AsyncIterator[tuple[History, History]]:
    async with _store(bench, stores, 1) as roomy, _store(bench, stores, 2) as neat:
        yield await _filled(roomy, many), await _filled(neat, FEW)


@contextlib.asynccontextmanager
async def _store(bench: Bench, stores: str, number: int) -> AsyncIterator[KeyValueStore]:
    if stores == "memory":
        yield MemoryKeyValueStore(SystemClock())
    elif stores == "sqlite":
        file = SqliteKeyValueStore(bench.folder / f"history-{number}.sqlite3")
        yield file
        await file.aclose()
    else:
        client = connect(bench.redis.url.removesuffix("0") + str(number))
        await client.flushdb()
        yield RedisKeyValueStore(client)
        await client.flushdb()
        await client.aclose()


async def _filled(store: KeyValueStore, size: int) -> History:
    for begin in range(0, size, PER_COMMIT):
        pictures = [_picture(number) for number in range(begin, min(begin + PER_COMMIT, size))]
        await store.commit(*_entering(pictures))
    return History(store, size)


def _entering(pictures: Sequence[Picture]) -> list[Operation]:
    """All of them in one commit, which adds to each counter but once."""
    others, sums = list[Operation](), dict[tuple[str, str], int]()
    for operation in itertools.chain.from_iterable(map(entering, pictures)):
        if isinstance(operation, Add):
            place = operation.key, operation.field
            sums[place] = sums.get(place, 0) + operation.amount
        else:
            others.append(operation)
    return [*others, *(Add(key=key, field=field, amount=amount) for (key, field), amount in sums.items())]


def _picture(number: int) -> Picture:
    """One second after the one before it, of every mode in turn but uploads."""
    picture_id, created_at = new_id(), BEGIN + timedelta(seconds=number)
    return Picture(
        id=picture_id,
        owner=OWNER,
        key=picture_key(OWNER, created_at, picture_id, "image/jpeg"),
        prompt=f"a corgi in a teacup, the {number}th, by the light of a candle",
        mode=list(Mode)[number % (len(Mode) - 1)],
        aspect_ratio="16:9",
        resolution="1K",
        created_at=created_at,
        duration=21.5,
        mime_type="image/jpeg",
        width=1376,
        height=768,
        size_bytes=1_400_000,
        sha256="0" * 64,
        model="gemini-3-pro-image",
        usage={"prompt_tokens": 12, "output_tokens": 1120, "thinking_tokens": 200, "total_tokens": 1332},
        cost_usd=0.134,
    )
