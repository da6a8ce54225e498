"""Setting the trial's points aside on Redis, against a bare EVALSHA of the same script with arguments of the same kind.

Ours is `Ledger.reserve` on the store that the lab uses; bare is redis-py's own `evalsha`, its arguments made before.
Each reservation is another user's, so that none meets a limit or a cooldown. MONITOR counts what one of them sends.
"""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import redis
from redis.asyncio import Redis
from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, in_turns

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore, _arguments, _redis_key
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reservation import LEASE_SECONDS, Reservation, day_of, reserving
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.clock import SystemClock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id

MODE = "basic_1k"
POLICY = QuotaPolicy(enabled=True, global_points=10**9)


async def run(bench: Bench) -> AsyncIterator[Line]:
    bench.redis.flush()
    count, clock, client = bench.size(1000, quick=50), SystemClock(), connect(bench.redis.url)
    store = RedisKeyValueStore(client)
    usage = ReadUsage(policy=POLICY, key_values=store, clock=clock)
    ledger = Ledger(policy=POLICY, key_values=store, usage=usage, clock=clock)

    async def ours() -> float:
        owners = [OwnerId(new_id()) for _ in range(count)]
        begun = time.perf_counter()
        for owner in owners:
            await ledger.reserve(owner, MODE)
        return count / (time.perf_counter() - begun)

    async def yardstick() -> float:
        calls = list(_calls(clock, count))
        begun = time.perf_counter()
        for call in calls:
            await client.evalsha(store._commit.sha, *call)
        return count / (time.perf_counter() - begun)

    found, compared = await in_turns(ours, yardstick, rounds=bench.rounds)
    yield Line(
        what="quota, reservations",
        stores="redis",
        unit="per s",
        ours=found,
        yardstick=compared,
        target=Target(0.6, "at least"),
    )
    yield Line(
        what="quota, commands of one reservation",
        stores="redis",
        unit="",
        ours=[await _commands(bench.redis.port, ledger) for _ in range(bench.rounds)],
        target=Target(1, "at most", of="ours"),
    )
    await client.aclose()


def _calls(clock: SystemClock, count: int) -> Iterator[tuple[Any, ...]]:
    """What the script is given for as many reservations: the number of keys, the keys, the arguments."""
    for _ in range(count):
        now = clock.now()
        until = milliseconds(now) + POLICY.cooldown_seconds * 1000
        reservation = Reservation(
            id=new_id(), owner=OwnerId(new_id()), mode=MODE, cost=1, date=day_of(now), cooldown_until=until
        )
        operations = reserving([reservation], POLICY.modes[MODE], POLICY, now, held_for=LEASE_SECONDS)
        arguments = [argument for operation in operations for argument in _arguments(operation)]
        yield len(operations), *map(_redis_key, operations), *arguments


async def _commands(port: int, ledger: Ledger) -> int:
    """How many commands the server gets for one reservation, what the script itself does left out."""
    end = Redis(port=port)
    await end.ping()  # a new connection introduces itself
    with redis.Redis(port=port) as watcher, watcher.monitor() as monitor:
        await ledger.reserve(OwnerId(new_id()), MODE)
        await end.echo("that was all")
        seen = 0
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            seen += command["client_type"] != "lua"
    await end.aclose()
    return seen
