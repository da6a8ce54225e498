"""The counters say what a recount would, after whatever came and went."""

import asyncio
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.shared.ids import OwnerId


async def test_nobody_has_nothing(lab: Any) -> None:
    found = await lab.statistics(OwnerId("nobody"))

    assert (found.total_images, found.images_by_mode, found.average_duration) == (0, {}, 0.0)
    assert (found.earliest_date, found.latest_date, found.total_cost_usd, found.total_bytes) == (None, None, 0.0, 0)


async def test_sums_are_of_all_and_by_mode(lab: Any) -> None:
    first = await lab.kept(duration=1.5, cost_usd=0.134, size_bytes=10)
    last = await lab.kept(duration=2.001, cost_usd=0.24, size_bytes=5, mode=Mode.CHAT)
    found = await lab.statistics(OwnerId("alice"))

    assert (found.total_images, found.images_by_mode) == (2, {"basic": 1, "chat": 1})
    assert (found.total_duration, found.average_duration) == (3.501, pytest.approx(1.75, abs=0.001))
    assert (found.total_cost_usd, found.total_bytes) == (0.374, 15)
    assert (found.earliest_date, found.latest_date) == (first.created_at, last.created_at)


async def test_what_is_deleted_no_longer_counts(lab: Any) -> None:
    kept = await lab.kept(duration=0.1, cost_usd=0.1)
    await lab.delete("alice", [kept.id])

    assert await lab.counted() == await lab.counted_again()
    assert await lab.key_values.counters("history/alice/statistics") == dict.fromkeys(
        ["images.basic", "duration_ms", "cost_microusd", "bytes"], 0
    )


async def test_a_mode_that_has_none_left_is_not_listed(lab: Any) -> None:
    gone = await lab.kept(mode=Mode.CHAT)
    await lab.kept()
    await lab.delete("alice", [gone.id])

    assert (await lab.counted())["images_by_mode"] == {"basic": 1}


class Histories(RuleBasedStateMachine):
    """Two owners add, delete, reindex, and lose the index."""

    open_lab: ClassVar[Any]
    kept = Bundle("kept")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()

    @initialize()
    def begin(self) -> None:
        self.lab = type(self).open_lab()
        self.alive: dict[str, str] = {}

    @rule(
        target=kept,
        owner=st.sampled_from(["alice", "bob"]),
        mode=st.sampled_from(Mode),
        duration=st.floats(0, 600).map(lambda seconds: round(seconds, 3)),
        cost=st.floats(0, 5).map(lambda usd: round(usd, 6)),
    )
    def add(self, owner: str, mode: Mode, duration: float, cost: float) -> Any:
        picture = self.loop.run_until_complete(
            self.lab.kept(owner=OwnerId(owner), mode=mode, duration=duration, cost_usd=cost)
        )
        self.alive[picture.id] = owner
        return picture

    @rule(picture=consumes(kept))
    def delete(self, picture: Any) -> None:
        deleted = self.loop.run_until_complete(self.lab.delete(picture.owner, [picture.id, picture.id]))
        assert deleted == (self.alive.pop(picture.id, None) is not None)

    @rule(pictures=st.lists(kept, max_size=4), picture=kept)
    def delete_racing(self, pictures: list[Any], picture: Any) -> None:
        async def race() -> list[int]:
            return await asyncio.gather(*(self.lab.delete(each.owner, [each.id]) for each in [*pictures, picture] * 2))

        there = {each.id for each in [*pictures, picture]} & set(self.alive)
        assert sum(self.loop.run_until_complete(race())) == len(there)
        for each in there:
            del self.alive[each]

    @rule()
    def reindex(self) -> None:
        report = self.loop.run_until_complete(self.lab.reindex())
        assert (report.restored, report.present, report.troubles) == (0, len(self.alive), [])

    @rule()
    def lose_the_index(self) -> None:
        self.lab = type(self).open_lab(clock=self.lab.clock, blobs=self.lab.blobs)
        report = self.loop.run_until_complete(self.lab.reindex())
        assert (report.restored, report.present, report.troubles) == (len(self.alive), 0, [])

    @invariant()
    def statistics_are_exact(self) -> None:
        for owner in ("alice", "bob"):
            counted, again = (
                self.loop.run_until_complete(count(OwnerId(owner)))
                for count in (self.lab.counted, self.lab.counted_again)
            )
            assert counted == again

    def teardown(self) -> None:
        self.loop.close()


def test_statistics_equal_a_recount_after_anything(open_lab: Any) -> None:
    Histories.open_lab = open_lab
    run_state_machine_as_test(Histories, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
