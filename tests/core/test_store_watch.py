"""Whether the stores can be used, without asking them all the time."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.storage import store_watch
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.storage.store_watch import StoreWatch


class Pinged:
    """The part of a store that answers `ping`."""

    def __init__(self) -> None:
        self.pings = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()

    async def ping(self) -> None:
        self.pings += 1
        self.asked.set()
        await self.answers.wait()
        if self.error:
            raise self.error


@pytest.fixture
def stores() -> tuple[Pinged, Pinged]:
    return Pinged(), Pinged()


@pytest.fixture
def watch(stores: tuple[Any, Any]) -> StoreWatch:
    return StoreWatch(*stores)


async def test_two_stores_that_answer_are_well(watch: StoreWatch) -> None:
    probes = await watch.probes()

    assert {name: probe.error for name, probe in probes.items()} == {"key_value_store": None, "blob_store": None}
    assert all(probe.latency_ms >= 0 for probe in probes.values())
    await watch.require()


async def test_a_store_that_refuses_is_down_and_the_other_is_not(
    watch: StoreWatch, stores: tuple[Pinged, Pinged]
) -> None:
    stores[1].error = StoreUnavailable("blob store")
    probes = await watch.probes()

    assert probes["key_value_store"].error is None
    assert "blob store" in str(probes["blob_store"].error)
    with pytest.raises(StoreUnavailable, match="blob store is not available"):
        await watch.require()


async def test_a_store_that_hangs_is_down(
    watch: StoreWatch, stores: tuple[Pinged, Pinged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "PROBE_TIMEOUT_SECONDS", 0.01)
    stores[0].answers.clear()

    with pytest.raises(StoreUnavailable, match="key value store"):
        await watch.require()
    assert str((await watch.probes())["key_value_store"].error) == "no answer within 0.01 seconds"


async def test_however_many_ask_each_store_is_asked_once(watch: StoreWatch, stores: tuple[Pinged, Pinged]) -> None:
    stores[0].answers.clear()
    askers = [asyncio.create_task(watch.probes()) for _ in range(50)]
    await stores[0].asked.wait()
    stores[0].answers.set()
    await asyncio.gather(*askers)

    assert (stores[0].pings, stores[1].pings) == (1, 1)


async def test_an_answer_is_remembered_for_a_moment(watch: StoreWatch, stores: tuple[Pinged, Pinged]) -> None:
    await watch.require()
    stores[0].error = StoreUnavailable("key value store")
    await watch.require()

    assert stores[0].pings == 1


async def test_after_a_moment_it_asks_again(
    watch: StoreWatch, stores: tuple[Pinged, Pinged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "REMEMBER_SECONDS", -1)
    stores[0].error = StoreUnavailable("key value store")
    with pytest.raises(StoreUnavailable):
        await watch.require()
    stores[0].error = None

    await watch.require()
    assert stores[0].pings == 2


async def test_an_asker_that_leaves_does_not_spoil_the_answer_for_the_others(
    watch: StoreWatch, stores: tuple[Pinged, Pinged]
) -> None:
    stores[0].answers.clear()
    leaves, stays = asyncio.create_task(watch.require()), asyncio.create_task(watch.require())
    await stores[0].asked.wait()
    leaves.cancel()
    stores[0].answers.set()

    await stays
    assert leaves.cancelled()
