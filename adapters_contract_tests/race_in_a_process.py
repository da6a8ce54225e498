"""One of several processes that race for the same store; started by `test_key_value_store_races.py`.

    python race_in_a_process.py ADDRESS ROUNDS RACERS

Starts when all the racers are there. Prints how many rounds of adding it won, and how many of compare-and-set.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.storage.operations import Add, CommitRefused, Put
from nano_banana_lab.core.storage.ports import KeyValueStore


async def race(address: str, rounds: int, racers: int) -> tuple[int, int]:
    async with _opened(address) as store:
        await store.commit(Add(key="start", field="racers", amount=1))
        while (await store.counters("start"))["racers"] < racers:  # noqa: ASYNC110 - no event reaches a process
            await asyncio.sleep(0.001)
        added = [await _add(store) for _ in range(rounds)]
        swapped = [await _swap(store, number) for number in range(rounds)]
        return sum(added), sum(swapped)


async def _add(store: KeyValueStore) -> bool:
    try:
        await store.commit(Add(key="race", field="places", amount=1, ceiling=100))
    except CommitRefused:
        return False
    return True


async def _swap(store: KeyValueStore, number: int) -> bool:
    """Wins the round when it is the one that turns `number` into the next."""
    try:
        await store.commit(Put(key="round", value=b"%d" % (number + 1), if_equals=b"%d" % number))
    except CommitRefused:
        return False
    return True


@asynccontextmanager
async def _opened(address: str) -> AsyncIterator[KeyValueStore]:
    if address.startswith("redis:"):
        client = connect(address)
        yield RedisKeyValueStore(client)
        await client.aclose()
    else:
        store = SqliteKeyValueStore(Path(address))
        yield store
        await store.aclose()


if __name__ == "__main__":
    print(*asyncio.run(race(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
