"""How much of the trial is used up today."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import msgspec

from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reservation import (
    POINTS,
    PROMPT_CALLS,
    SETTLED,
    Cooldown,
    cooldown_key,
    day_of,
    owner_key,
    owners_index,
    pool_key,
)
from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import KeyValueStore, pages

AT_ONCE = 16


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One user's view of one UTC day: what is spent or set aside, in points of the pool, pictures by mode and calls.

    `points` are those of all users; `points_set_aside` of them are for pictures that are being made.
    `prompt_calls` are the user's, `global_prompt_calls` those of all users.
    `cooldown_remaining` is in whole seconds, 0 when there is none.
    """

    policy: QuotaPolicy
    now: datetime
    points: int
    points_set_aside: int
    pictures: Mapping[str, int]
    prompt_calls: int
    global_prompt_calls: int
    cooldown_remaining: int

    @property
    def date(self) -> str:
        """The UTC day."""
        return day_of(self.now)

    @property
    def points_left(self) -> int:
        """Of the pool; 0 also when the operator has made it smaller than what is spent."""
        return max(0, self.policy.global_points - self.points)

    def pictures_left(self, mode: str) -> int:
        """What the user's limit leaves of a mode, whatever the pool says."""
        return max(0, self.policy.modes[mode].limit - self.pictures.get(mode, 0))

    @property
    def prompt_calls_left(self) -> int:
        """How many more prompt-writing calls the user may make today: what both limits leave."""
        return min(max(0, self.policy.prompt_limit - self.prompt_calls), self.global_prompt_calls_left)

    @property
    def global_prompt_calls_left(self) -> int:
        """How many more all users together may make today."""
        return max(0, self.policy.global_prompt_limit - self.global_prompt_calls)

    @property
    def resets_at(self) -> datetime:
        """The next 00:00 UTC, when everything but a cooldown starts again."""
        return datetime.combine(self.now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)

    @property
    def seconds_to_reset(self) -> float:
        """From now to `resets_at`."""
        return (self.resets_at - self.now).total_seconds()


@dataclass(frozen=True, kw_only=True)
class ReadUsage:
    """Looks the usage up without changing it."""

    policy: QuotaPolicy
    key_values: KeyValueStore
    clock: Clock

    async def __call__(self, owner: OwnerId, *, at: datetime | None = None) -> Usage:
        """What is used of the UTC day of that moment, by default now."""
        now = at or self.clock.now()
        date = day_of(now)
        pool, own, cooldown = await asyncio.gather(
            self.key_values.counters(pool_key(date)),
            self.key_values.counters(owner_key(date, owner)),
            self.key_values.get(cooldown_key(owner)),
        )
        return Usage(
            policy=self.policy,
            now=now,
            points=pool.get(POINTS, 0),
            points_set_aside=pool.get(POINTS, 0) - pool.get(POINTS + SETTLED, 0),
            prompt_calls=own.get(PROMPT_CALLS, 0),
            global_prompt_calls=pool.get(PROMPT_CALLS, 0),
            pictures={mode: own[mode] for mode in self.policy.modes if mode in own},
            cooldown_remaining=_whole_seconds_left(cooldown, now, self.policy.cooldown_seconds),
        )

    async def of_everybody(self) -> dict[OwnerId, Usage]:
        """Everybody who has used the trial this UTC day, the latest last."""
        found = dict[OwnerId, Usage]()
        async for page in pages(self.key_values, owners_index(day_of(self.clock.now()))):
            owners = [OwnerId(entry.member) for entry in page]
            for some in (owners[at : at + AT_ONCE] for at in range(0, len(owners), AT_ONCE)):
                found |= dict(zip(some, await asyncio.gather(*map(self, some)), strict=True))
        return found


def _whole_seconds_left(cooldown: bytes | None, now: datetime, longest: int) -> int:
    """At least 1 while the store still has the cooldown: its clock decides, ours only tells how long.

    Never more than the longest there is, whatever has been done to a host's clock.
    """
    if cooldown is None:
        return 0
    left = msgspec.json.decode(cooldown, type=Cooldown).until - milliseconds(now)
    return max(1, min(-(-left // 1000), longest))
