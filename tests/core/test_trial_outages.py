"""When a store fails between the points and the picture, nobody pays for nothing and nobody pays twice."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.history.keys import sidecar_key
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Operation
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE = OwnerId("alice")
TRIAL = QuotaPolicy(enabled=True, cooldown_seconds=600)
AWAY = StoreUnavailable("key value store")


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=TRIAL)


@pytest.fixture
def failing(open_lab: Any, lab: Any, unreliable: Any, mishap: Any) -> Callable[..., Any]:
    """A lab on the stores of `lab`, with a mishap at the n-th write to the key-value store."""

    def opened(**strike: Any) -> Any:
        store = unreliable(lab.key_values, mishap(AWAY, "commit", **strike))
        return open_lab(policy=TRIAL, clock=lab.clock, key_values=store, blobs=lab.blobs)

    return opened


async def used(lab: Any) -> tuple[int, int, int]:
    """Points, those of them that are set aside, and pictures."""
    usage = await lab.usage(ALICE)
    return usage.points, usage.points_set_aside, sum(usage.pictures.values())


async def after_the_deadline(lab: Any) -> int:
    lab.clock.advance(61)
    return await lab.ledger.release_expired()


async def test_a_reservation_whose_answer_was_lost_is_reaped(lab: Any, failing: Any) -> None:
    unlucky = failing(at=1, times=1, applied=True)
    with pytest.raises(StoreUnavailable):
        await unlucky.generate()
    lost = await used(lab)

    assert unlucky.model.requests == []
    assert lost == (1, 1, 1)
    assert await after_the_deadline(lab) == 1
    assert (await used(lab), (await lab.usage(ALICE)).cooldown_remaining) == ((0, 0, 0), 0)


async def test_a_settlement_whose_answer_was_lost_is_not_charged_twice(lab: Any, failing: Any) -> None:
    await failing(at=2, times=1, applied=True).generate()

    assert await used(lab) == (1, 0, 1)
    assert (await lab.history()).total == 1
    assert await after_the_deadline(lab) == 0


async def test_a_release_whose_answer_was_lost_gives_back_once(lab: Any, failing: Any) -> None:
    [other] = await lab.ledger.reserve(OwnerId("bob"), "blend")
    unlucky = failing(at=2, times=1, applied=True)
    unlucky.model.then(UpstreamFailed())
    with pytest.raises(UpstreamFailed):
        await unlucky.generate()

    assert await used(lab) == (2, 2, 0)
    assert await lab.ledger.release(other)
    assert await after_the_deadline(lab) == 0


async def test_points_that_cannot_be_given_back_at_once_come_back_with_the_deadline(
    lab: Any, failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    unlucky = failing(at=2)
    unlucky.model.then(UpstreamFailed())
    with pytest.raises(UpstreamFailed):
        await unlucky.generate()

    assert "given back when their lease runs out" in caplog.text
    assert await used(lab) == (1, 1, 1)
    assert (await after_the_deadline(lab), await used(lab)) == (1, (0, 0, 0))


async def test_a_picture_that_cannot_be_stored_is_not_charged(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any
) -> None:
    blobs = unreliable(lab.blobs, mishap(StoreUnavailable("blob store"), "put"))
    with pytest.raises(StoreUnavailable):
        await open_lab(policy=TRIAL, clock=lab.clock, key_values=lab.key_values, blobs=blobs).generate()

    assert (await used(lab), (await lab.usage(ALICE)).cooldown_remaining) == ((0, 0, 0), 0)
    assert await lab.files() == []


async def test_a_picture_that_cannot_be_listed_is_not_charged_and_is_listed_later(lab: Any, failing: Any) -> None:
    unlucky = failing(at=2, times=3)  # every try to enter the picture; the release gets through
    with pytest.raises(StoreUnavailable):
        await unlucky.generate()
    refunded = await used(lab)

    assert await unlucky.keep.list_the_unlisted() == 1
    assert (refunded, await used(lab)) == ((0, 0, 0), (0, 0, 0))
    assert len(await lab.prompts()) == 1


async def test_while_the_store_stays_away_the_points_wait_for_the_deadline(lab: Any, failing: Any) -> None:
    unlucky = failing(at=2)
    with pytest.raises(StoreUnavailable):
        await unlucky.generate()
    assert await used(lab) == (1, 1, 1)
    unlucky.key_values.mishap = None

    assert (await after_the_deadline(unlucky), await used(lab)) == (1, (0, 0, 0))
    assert await unlucky.keep.list_the_unlisted() == 1
    (picture,) = (await lab.history()).pictures
    assert await lab.files() == [sidecar_key(picture.key), picture.key]


async def test_a_commit_that_arrives_after_the_refund_changes_nothing(open_lab: Any, lab: Any) -> None:
    """The store hangs on the picture's commit until the process has given up on it, and then applies it."""
    late: list[tuple[Operation, ...]] = []

    class Hanging:
        tried = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(lab.key_values, name)

        async def commit(self, *operations: Operation) -> Any:
            self.tried += 1
            if self.tried in (2, 3, 4):
                late.append(operations)
                raise AWAY
            return await lab.key_values.commit(*operations)

    with pytest.raises(StoreUnavailable):
        await open_lab(policy=TRIAL, clock=lab.clock, key_values=Hanging(), blobs=lab.blobs).generate()
    outcomes = await asyncio.gather(*[lab.key_values.commit(*each) for each in late], return_exceptions=True)

    assert [type(outcome).__name__ for outcome in outcomes] == ["CommitRefused"] * 3
    assert (await used(lab), await lab.prompts()) == ((0, 0, 0), [])
