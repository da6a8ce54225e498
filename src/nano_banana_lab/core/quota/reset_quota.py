"""Let a day's trial start again before its end."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.quota.reservation import (
    POINTS,
    PROMPT_CALLS,
    SETTLED,
    cooldown_key,
    day_of,
    owner_key,
    owners_index,
    pool_key,
    take,
)
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Operation
from nano_banana_lab.core.storage.ports import KeyValueStore, pages


class Forgiven(msgspec.Struct, frozen=True, kw_only=True):
    """What a reset took off: points of the pool, pictures and prompt-writing calls of these users."""

    users: int = 1
    points: int = 0
    pictures: int = 0
    prompt_calls: int = 0


@dataclass(frozen=True, kw_only=True)
class ResetQuota:
    """Forgives what was spent today. What is set aside for pictures being made stays counted until they end.

    Only what is settled is taken off, relative to what the counters are by then, so that it disturbs nobody
    who reserves, settles or releases at the same time.
    """

    key_values: KeyValueStore
    clock: Clock

    async def user(self, owner: OwnerId) -> Forgiven:
        """Forget what one user made today, written prompts included, and the cooldown. The pool stays as it is."""
        today = day_of(self.clock.now())
        spent = await self._forgive(owner_key(today, owner), Delete(key=cooldown_key(owner)))
        calls = spent.pop(PROMPT_CALLS, 0)
        return Forgiven(pictures=sum(spent.values()), prompt_calls=calls)

    async def everybody(self) -> Forgiven:
        """Fill the pool again, that of prompt-writing calls too, and reset every user of today."""
        today, each = day_of(self.clock.now()), dict[str, Forgiven]()
        async for page in pages(self.key_values, owners_index(today)):
            for entry in page:
                if entry.member not in each:  # who makes a picture meanwhile is listed again
                    each[entry.member] = await self.user(OwnerId(entry.member))
        spent = await self._forgive(pool_key(today))
        return Forgiven(
            users=len(each),
            points=spent.get(POINTS, 0),
            pictures=sum(one.pictures for one in each.values()),
            prompt_calls=sum(one.prompt_calls for one in each.values()),
        )

    async def _forgive(self, key: str, *along_with: Operation) -> dict[str, int]:
        """What was spent in the counters of `key`, which now say only what is set aside."""
        while True:
            spent = _spent(await self.key_values.counters(key))
            try:
                await self.key_values.commit(*_forgiving(key, spent), *along_with)
            except CommitRefused:
                continue  # somebody else has forgiven it since it was read
            return spent


def _spent(counters: Mapping[str, int]) -> dict[str, int]:
    """What is spent for good and not only set aside; a prompt-writing call is never set aside."""
    spent = {field.removesuffix(SETTLED): counters[field] for field in counters if field.endswith(SETTLED)}
    return spent | {field: counters[field] for field in counters if field == PROMPT_CALLS}


def _forgiving(key: str, spent: Mapping[str, int]) -> list[Operation]:
    operations: list[Operation] = []
    for field, amount in spent.items():
        operations.append(take(key, field, amount))
        if field != PROMPT_CALLS:
            operations.append(take(key, field + SETTLED, amount))
    return operations
