"""The trial's book: points are set aside, then spent with the picture or given back, each exactly once."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import (
    CooldownActive,
    LimitReached,
    PoolExhausted,
    PromptLimitReached,
    PromptPoolExhausted,
)
from nano_banana_lab.core.quota.reservation import (
    LEASE_SECONDS,
    RESERVATIONS,
    Reservation,
    day_of,
    forgiving_a_prompt_call,
    releasing,
    renewing,
    reservation_key,
    reserving,
    taking_a_prompt_call,
)
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.operations import CommitRefused, IndexRemove, Operation
from nano_banana_lab.core.storage.ports import KeyValueStore

AT_ONCE = 100

REFUSALS = (PoolExhausted, LimitReached, CooldownActive)
"""By the position at which `reserving` is refused."""

PROMPT_REFUSALS = (PromptPoolExhausted, PromptLimitReached)
"""By the position at which `taking_a_prompt_call` is refused."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Every change is one atomic commit, so the counters are always the points spent and those set aside.

    A reservation is a lease of a minute that its process renews. When the process dies the lease runs out,
    and whichever process notices first gives the points back.
    """

    policy: QuotaPolicy
    key_values: KeyValueStore
    usage: ReadUsage
    clock: Clock

    async def reserve(
        self,
        owner: OwnerId,
        mode: str,
        *,
        count: int = 1,
        held_for: int = LEASE_SECONDS,
        along_with: Callable[[Sequence[Reservation]], Sequence[Operation]] = lambda _: (),
    ) -> list[Reservation]:
        """Set aside the points of `count` pictures of one mode of the price list, all or none, and begin one cooldown.

        They are given back after `held_for` seconds unless renewed. `along_with` says what else belongs into that commit.
        Raises `PoolExhausted`, `LimitReached` or `CooldownActive`, `CommitRefused` of a condition of `along_with`,
        and `StoreUnavailable`: no store, no generation.
        """
        now, price = self.clock.now(), self.policy.modes[mode]
        cooldown = self.policy.cooldown_seconds
        until = milliseconds(now) + cooldown * 1000 if cooldown else None
        first = Reservation(
            id=new_id(), owner=owner, mode=mode, cost=price.cost, date=day_of(now), cooldown_until=until
        )
        others = [msgspec.structs.replace(first, id=new_id(), cooldown_until=None) for _ in range(count - 1)]
        reservations = [first, *others]
        operations = reserving(reservations, price, self.policy, now, held_for=held_for)
        try:
            await self.key_values.commit(*operations, *along_with(reservations))
        except CommitRefused as refused:
            if refused.position >= len(operations):
                raise
            raise REFUSALS[refused.position](await self.usage(owner, at=now), mode) from None
        return reservations

    async def renew(self, reservation: Reservation) -> bool:
        """Another minute for a picture that is still being made; False when the reservation is gone."""
        try:
            await self.key_values.commit(*renewing(reservation, self.clock.now()))
        except CommitRefused:
            return False
        return True

    async def release(self, reservation: Reservation, *, along_with: Sequence[Operation] = ()) -> bool:
        """Give the points back, and the cooldown it began; False when it was released or settled before.

        `along_with` is committed in either case. Raises `CommitRefused` of a condition of its own; then nothing was done.
        """
        operations, released = releasing(reservation), True
        while operations or along_with:
            try:
                await self.key_values.commit(*operations, *along_with)
            except CommitRefused as refused:
                if refused.position >= len(operations):
                    raise
                if refused.position == 0 and released:
                    operations, released = [], False
                else:
                    del operations[
                        refused.position
                    ]  # the day's counters or the cooldown are gone: nothing to give back to
            else:
                break
        return released

    async def release_expired(self) -> int:
        """Release what nobody renewed in time, and say how many that were; any number of processes may do so at once."""
        released, now = 0, milliseconds(self.clock.now())
        while (
            page := await self.key_values.page(RESERVATIONS, limit=AT_ONCE, newest_first=False, max_score=now)
        ).entries:
            for entry in page.entries:
                released += await self._release_by_id(entry.member)
        return released

    async def take_prompt_call(self, owner: OwnerId) -> str:
        """Count a prompt-writing call, which costs no points; says on which day.

        Raises `PromptPoolExhausted` or `PromptLimitReached`; then nothing is counted.
        """
        now = self.clock.now()
        try:
            await self.key_values.commit(*taking_a_prompt_call(owner, now, self.policy))
        except CommitRefused as refused:
            raise PROMPT_REFUSALS[refused.position](await self.usage(owner, at=now)) from None
        return day_of(now)

    async def forgive_prompt_call(self, owner: OwnerId, date: str) -> None:
        """Uncount a call of that day that nobody was charged for."""
        with contextlib.suppress(CommitRefused):  # the day's counters are gone
            await self.key_values.commit(*forgiving_a_prompt_call(owner, date))

    async def _release_by_id(self, id: str) -> bool:
        kept = await self.key_values.get(reservation_key(id))
        if kept is None:  # settled or released since the page was read
            await self.key_values.commit(IndexRemove(index=RESERVATIONS, member=id))
            return False
        return await self.release(msgspec.json.decode(kept, type=Reservation))
