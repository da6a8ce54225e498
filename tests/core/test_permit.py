"""A commit that is applied soon or never."""

import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.storage.operations import CommitRefused, Put
from nano_banana_lab.core.storage.permit import SECONDS, Permit
from nano_banana_lab.testing.frozen_clock import FrozenClock

DEED = Put(key="deed", value=b"done")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def permit(clock: FrozenClock) -> Permit:
    permit = Permit(key_values=MemoryKeyValueStore(clock), key="permit")
    await permit.take()
    return permit


async def test_it_is_good_for_one_commit(permit: Permit) -> None:
    await permit.key_values.commit(permit.use, DEED)

    with pytest.raises(CommitRefused):
        await permit.key_values.commit(permit.use, DEED)
    assert [await permit.was_used() for _ in range(2)] == [True, True]


async def test_it_runs_out(permit: Permit, clock: FrozenClock) -> None:
    clock.advance(SECONDS)

    with pytest.raises(CommitRefused):
        await permit.key_values.commit(permit.use, DEED)
    assert await permit.key_values.get("deed") is None
    assert await permit.was_used() is False


async def test_whoever_asks_whether_it_was_used_withdraws_it(permit: Permit) -> None:
    assert [await permit.was_used() for _ in range(2)] == [False, False]
    with pytest.raises(CommitRefused):
        await permit.key_values.commit(permit.use, DEED)


async def test_that_it_was_used_is_known_for_as_long_as_a_task_may_take(permit: Permit, clock: FrozenClock) -> None:
    await permit.key_values.commit(permit.use, DEED)
    clock.advance(86399)

    assert await permit.was_used() is True
