"""Points that are set aside find their way, whatever process or store fails in between."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reservation import RESERVATIONS
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Delete, IndexPut, Operation, Put
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE = OwnerId("alice")
TRIAL = QuotaPolicy(enabled=True, cooldown_seconds=600)
AWAY = StoreUnavailable("key value store")


class Watched:
    """A store whose commits can be waited for."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._changed = asyncio.Event()
        self.commits: list[tuple[Operation, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, *operations: Operation) -> Any:
        try:
            return await self._store.commit(*operations)
        finally:
            self.commits.append(operations)
            self._changed.set()
            self._changed = asyncio.Event()

    def tried(self, is_one: Callable[[tuple[Operation, ...]], bool]) -> int:
        return sum(map(is_one, self.commits))

    async def until_tried(self, is_one: Callable[[tuple[Operation, ...]], bool], more: int) -> None:
        enough = self.tried(is_one) + more
        while self.tried(is_one) < enough:
            await self._changed.wait()


def renews(operations: tuple[Operation, ...]) -> bool:
    return isinstance(operations[0], Put) and operations[0].if_equals is not None


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=TRIAL)


async def used(lab: Any) -> tuple[int, int, int]:
    """Points, those of them that are set aside, and pictures."""
    usage = await lab.usage(ALICE)
    return usage.points, usage.points_set_aside, sum(usage.pictures.values())


async def after_the_deadline(lab: Any) -> int:
    lab.clock.advance(61)
    return await lab.ledger.release_expired()


async def test_a_picture_that_takes_long_keeps_its_reservation(open_lab: Any, lab: Any) -> None:
    store = Watched(lab.key_values)
    slow = open_lab(policy=TRIAL, clock=lab.clock, key_values=store, blobs=lab.blobs, renew_after=0.001)
    slow.model.hold()
    making = asyncio.create_task(slow.generate())
    await slow.model.calls_begun(1)
    for _ in range(4):
        lab.clock.advance(45)
        await store.until_tried(renews, 2)  # the first one may have begun before
        assert await lab.ledger.release_expired() == 0
    slow.model.release()
    await making

    assert await used(lab) == (1, 0, 1)
    assert (await lab.usage(ALICE)).cooldown_remaining == 600 - 4 * 45


@pytest.mark.parametrize("failure", [AWAY, RuntimeError("a bug")], ids=["store away", "bug"])
async def test_renewing_goes_on_after_it_failed(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, failure: Exception
) -> None:
    store = Watched(unreliable(lab.key_values, mishap(failure, "commit", at=2, times=5)))
    slow = open_lab(policy=TRIAL, clock=lab.clock, key_values=store, blobs=lab.blobs, renew_after=0.001)
    slow.model.hold()
    making = asyncio.create_task(slow.generate())
    await store.until_tried(renews, 6)
    lab.clock.advance(45)
    await store.until_tried(renews, 2)
    lab.clock.advance(45)
    reaped = await lab.ledger.release_expired()
    slow.model.release()
    await making

    assert (reaped, await used(lab)) == (0, (1, 0, 1))


@pytest.mark.parametrize("step", [None, UpstreamFailed()], ids=["a picture", "a failure"])
async def test_nothing_goes_on_renewing_after_the_end(lab: Any, step: UpstreamFailed | None) -> None:
    lab.model.then(*[step] if step else [])
    await asyncio.gather(lab.generate(), return_exceptions=True)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_picture_whose_reservation_was_reaped_is_kept_and_not_charged(
    lab: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lab.model.hold()
    making = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    reaped = await after_the_deadline(lab)
    lab.model.release()
    made = await making

    assert reaped == 1
    assert (await lab.history()).pictures == (made.picture,)
    assert await lab.counted() == await lab.counted_again()
    assert (await used(lab), (await lab.usage(ALICE)).cooldown_remaining) == ((0, 0, 0), 0)
    assert "a picture is kept that the trial was not charged for" in caplog.text


async def test_a_failure_after_the_reaper_came_gives_nothing_back_twice(lab: Any) -> None:
    lab.model.hold()
    lab.model.then(UpstreamFailed())
    making = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    assert await after_the_deadline(lab) == 1
    [another] = await lab.ledger.reserve(ALICE, "basic_1k")
    lab.model.release()
    with pytest.raises(UpstreamFailed):
        await making

    assert await used(lab) == (1, 1, 1)
    assert (await lab.usage(ALICE)).cooldown_remaining == 600
    assert await lab.ledger.release(another)


async def test_the_points_are_spent_in_the_pictures_own_commit(open_lab: Any, lab: Any) -> None:
    store = Watched(lab.key_values)
    made = await open_lab(policy=TRIAL, key_values=store, blobs=lab.blobs).generate()

    assert len(store.commits) == 2
    record, *others = store.commits[1]
    assert isinstance(record, Put)
    assert made.picture.id in record.key
    assert [each for each in others if isinstance(each, Delete)] == [
        Delete(key=each.key, if_present=True)
        for each in store.commits[0]
        if isinstance(each, Put) and each.key.startswith("quota/reservation/")
    ]


WRITES = ("put", "commit")
RESERVED, SIDECAR, BYTES, LISTED = 1, 2, 3, 4


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [RESERVED, SIDECAR, BYTES, LISTED])
async def test_whenever_the_process_dies_a_picture_is_paid_for_exactly_when_it_is_listed(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    death = mishap(process_died(), *WRITES, at=at, applied=applied)
    stores = (unreliable(lab.key_values, death), unreliable(lab.blobs, death))
    with pytest.raises(process_died):
        await open_lab(policy=TRIAL, clock=lab.clock, key_values=stores[0], blobs=stores[1]).generate()
    written = at if applied else at - 1
    reaped_early, set_aside = await lab.ledger.release_expired(), (await used(lab))[1]
    reaped = await after_the_deadline(lab)
    report = await lab.reindex()

    assert (reaped_early, set_aside, reaped) == (0, *[int(RESERVED <= written < LISTED)] * 2)
    assert await used(lab) == ((1, 0, 1) if written == LISTED else (0, 0, 0))
    assert report.restored == (1 if written == BYTES else 0)
    assert len(await lab.prompts()) == (1 if written >= BYTES else 0)


async def test_a_dead_processs_cooldown_comes_back_with_its_points(lab: Any) -> None:
    await lab.ledger.reserve(ALICE, "blend")
    waiting = (await lab.usage(ALICE)).cooldown_remaining
    await after_the_deadline(lab)

    assert (waiting, (await lab.usage(ALICE)).cooldown_remaining) == (600, 0)
    assert await lab.generate()


async def test_reservations_are_reaped_in_pages(open_lab: Any) -> None:
    everybody = [OwnerId(f"user-{n}") for n in range(30)]
    lab = open_lab(policy=QuotaPolicy(enabled=True, global_points=1000, cooldown_seconds=0))
    for owner in everybody:
        await lab.ledger.reserve(owner, "chat", count=5)

    assert await after_the_deadline(lab) == 150
    assert (await lab.usage(everybody[0])).points == 0


async def test_what_another_version_of_the_lab_set_aside_is_released_all_the_same(lab: Any) -> None:
    """Rolling updates: the newer one may write what the older does not know."""
    [reservation] = await lab.ledger.reserve(ALICE, "blend")
    newer = reservation.value.removesuffix(b"}") + b',"added_later":1}'
    await lab.key_values.commit(Put(key=reservation.key, value=newer))

    assert (await after_the_deadline(lab), await used(lab)) == (1, (0, 0, 0))


async def test_a_deadline_without_a_reservation_is_forgotten(lab: Any) -> None:
    await lab.key_values.commit(IndexPut(index=RESERVATIONS, member="0" * 32, score=1))

    assert await lab.ledger.release_expired() == 0
    assert await lab.key_values.count(RESERVATIONS) == 0


async def test_after_the_days_counters_are_gone_a_release_only_clears_away(lab: Any) -> None:
    [reservation] = await lab.ledger.reserve(ALICE, "blend")
    for _ in range(4):
        lab.clock.advance(70_000)
        assert await lab.ledger.renew(reservation)

    assert await lab.ledger.release(reservation)
    assert await lab.key_values.counters(f"quota/{reservation.date}/pool") == {}
