"""What every `KeyValueStore` promises when many write at once, in one process and in several."""

import asyncio
import sys
from pathlib import Path

from adapters_contract_tests.key_value_stores import InMemory, InRedis, InSqlite

from nano_banana_lab.core.storage.operations import Add, CommitRefused, Delete, IndexPut, Operation, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

PROCESSES = 3


class RacingTasks:
    async def test_racing_adds_fill_a_counter_to_its_ceiling_and_not_beyond(self, store: KeyValueStore):
        results = await asyncio.gather(
            *[accepted(store, Add(key="c", field="f", amount=3, ceiling=100)) for _ in range(256)]
        )

        assert await store.counters("c") == {"f": 99}
        assert results.count(True) == 33

    async def test_no_racing_add_is_lost(self, store: KeyValueStore):
        results = await asyncio.gather(*[store.commit(Add(key="c", field="f", amount=1)) for _ in range(256)])

        assert sorted(results) == [(number,) for number in range(1, 257)]

    async def test_each_round_of_compare_and_set_has_exactly_one_winner(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"0"))
        for number in range(20):
            swap = [Put(key="k", value=b"%d" % (number + 1), if_equals=b"%d" % number)] * 20
            assert sum(await asyncio.gather(*[accepted(store, operation) for operation in swap])) == 1

        assert await store.get("k") == b"20"

    async def test_a_lease_has_one_holder(self, store: KeyValueStore):
        leases = [Put(key="lease", value=b"%d" % number, ttl=60, if_absent=True) for number in range(50)]
        results = await asyncio.gather(*[accepted(store, lease) for lease in leases])

        assert sum(results) == 1
        assert await store.get("lease") == b"%d" % results.index(True)

    async def test_one_of_many_racing_deletes_finds_something(self, store: KeyValueStore):
        await store.commit(Put(key="k", value=b"v"))
        results = await asyncio.gather(*[accepted(store, Delete(key="k", if_present=True)) for _ in range(50)])

        assert sum(results) == 1

    async def test_money_moved_between_counters_by_racing_commits_is_neither_made_nor_lost(self, store: KeyValueStore):
        await store.commit(*[Add(key="money", field=field, amount=100) for field in "abcd"])
        moves = [
            (Add(key="money", field=source, amount=-7, floor=0), Add(key="money", field=target, amount=7, ceiling=150))
            for source, target in ("ab", "bc", "cd", "da", "ac") * 20
        ]
        await asyncio.gather(*[accepted(store, *move) for move in moves])

        amounts = await store.counters("money")
        assert sum(amounts.values()) == 400
        assert all(0 <= amount <= 150 for amount in amounts.values())

    async def test_readers_never_see_a_commit_half_done(self, store: KeyValueStore):
        keys = [f"k{number}" for number in range(20)]
        writes = [
            store.commit(*[Put(key=key, value=b"%d" % n) for key in keys], IndexPut(index="i", member=f"{n}", score=n))
            for n in range(50)
        ]
        seen: list[list[bytes | None]] = []

        async def read_until(writing: asyncio.Task[list[tuple[int | None, ...]]]) -> None:
            while not writing.done():
                seen.append(await store.get_many(keys))
                await asyncio.sleep(0)

        await read_until(asyncio.ensure_future(asyncio.gather(*writes)))
        assert seen
        assert all(len(set(values)) == 1 for values in seen)


class RacingProcesses:
    async def test_processes_that_race_pass_no_ceiling_and_win_each_round_once(self, store: KeyValueStore):
        await store.commit(Put(key="round", value=b"0"))
        wins = await in_processes(self.address, rounds=60)

        assert sum(added for added, _ in wins) == 100
        assert await store.counters("race") == {"places": 100}
        assert await store.get("round") == b"%d" % sum(swapped for _, swapped in wins)


class TestMemory(InMemory, RacingTasks): ...


class TestSqlite(InSqlite, RacingTasks, RacingProcesses): ...


class TestRedis(InRedis, RacingTasks, RacingProcesses): ...


async def accepted(store: KeyValueStore, *operations: Operation) -> bool:
    try:
        await store.commit(*operations)
    except CommitRefused:
        return False
    return True


async def in_processes(address: str, *, rounds: int) -> list[tuple[int, int]]:
    """How many rounds each of several processes won: of adding below a ceiling, and of compare-and-set."""
    script = Path(__file__).with_name("race_in_a_process.py")
    command = [sys.executable, str(script), address, str(rounds), str(PROCESSES)]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(PROCESSES)
    ]
    outputs = await asyncio.gather(*[process.communicate() for process in processes])
    return [(int(added), int(swapped)) for added, swapped in (output.split() for output, _ in outputs)]
