"""Writing again what a store that was away did not take."""

from types import SimpleNamespace

import pytest

from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.ports import StoreUnavailable

DELAYS = (0.2, 1.0, 2.0, 4.0, 8.0)
"""Of the product, as it runs."""


class Store:
    """Fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.tries = failures, error, 0

    async def write(self) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise self.error
        return "written"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited."""
    seen: list[float] = []

    async def at_once(seconds: float) -> None:
        seen.append(seconds)

    monkeypatch.setattr("nano_banana_lab.core.storage.insist.asyncio", SimpleNamespace(sleep=at_once))
    monkeypatch.setattr("nano_banana_lab.core.storage.insist.RETRY_AFTER_SECONDS", DELAYS)
    return seen


@pytest.mark.parametrize("failures", range(6))
async def test_it_is_written_as_soon_as_the_store_is_back(pauses: list[float], failures: int) -> None:
    store = Store(failures, StoreUnavailable("store"))

    assert await insist(store.write) == "written"
    assert (store.tries, tuple(pauses)) == (failures + 1, DELAYS[:failures])


async def test_a_store_that_stays_away_is_reported_after_fifteen_seconds(pauses: list[float]) -> None:
    store = Store(100, StoreUnavailable("store"))
    with pytest.raises(StoreUnavailable):
        await insist(store.write)

    assert (store.tries, round(sum(pauses), 1)) == (6, 15.2)


async def test_whatever_else_goes_wrong_is_reported_at_once(pauses: list[float]) -> None:
    store = Store(1, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await insist(store.write)

    assert (store.tries, pauses) == (1, [])
