"""The trial without a store: what every `Ledger` on every `KeyValueStore` has to agree with."""

from collections import Counter
from datetime import datetime, timedelta

from nano_banana_lab.core.quota.modes import QuotaMode
from nano_banana_lab.core.quota.refusals import (
    CooldownActive,
    LimitReached,
    PoolExhausted,
    PromptLimitReached,
    PromptPoolExhausted,
    TrialRefused,
)
from nano_banana_lab.core.quota.reservation import KEPT_SECONDS, LEASE_SECONDS, Reservation, day_of
from nano_banana_lab.core.quota.reset_quota import Forgiven
from nano_banana_lab.core.shared.ids import OwnerId

# So little of everything that each limit is met often.
MODES = {
    "basic_1k": QuotaMode(name="one point", cost=1, limit=4),
    "search": QuotaMode(name="two points", cost=2, limit=3),
    "basic_4k": QuotaMode(name="three points", cost=3, limit=2),
    "chat": QuotaMode(name="free", cost=0, limit=2),
}
POOL = 9
PROMPT_LIMIT = 2
GLOBAL_PROMPT_LIMIT = 4
KEPT = timedelta(seconds=KEPT_SECONDS)


class Lease:
    """When a reservation may be reaped, and when the store forgets it."""

    def __init__(self, now: datetime) -> None:
        self.deadline = now + timedelta(seconds=LEASE_SECONDS)
        self.forgotten = now + KEPT


class PlainTrial:
    """The trial in dictionaries: what is live, and what was settled since it was last forgiven."""

    def __init__(self, now: datetime, cooldown: int) -> None:
        self.now = now
        self.cooldown = timedelta(seconds=cooldown)
        self.live: dict[str, tuple[Reservation, Lease]] = {}
        self.pool = Counter[str]()
        self.made = Counter[tuple[str, OwnerId, str]]()
        self.calls = Counter[tuple[str, OwnerId]]()
        self.all_calls = Counter[str]()
        self.seen: set[tuple[str, OwnerId]] = set()
        self.waiting: dict[OwnerId, tuple[datetime, str]] = {}
        self.pictures = Counter[OwnerId]()

    @property
    def today(self) -> str:
        return day_of(self.now)

    def set_aside(self, date: str) -> int:
        return sum(each.cost for each, _ in self.live.values() if each.date == date)

    def points(self, date: str) -> int:
        return self.pool[date] + self.set_aside(date)

    def of_mode(self, date: str, owner: OwnerId, mode: str) -> int:
        live = [each for each, _ in self.live.values() if (each.date, each.owner, each.mode) == (date, owner, mode)]
        return self.made[date, owner, mode] + len(live)

    def wait(self, owner: OwnerId) -> int:
        until, _ = self.waiting.get(owner, (self.now, ""))
        return max(0, round((until - self.now).total_seconds()))

    def refusal(self, owner: OwnerId, mode: str, count: int) -> type[TrialRefused] | None:
        if self.points(self.today) + count * MODES[mode].cost > POOL and MODES[mode].cost:
            return PoolExhausted
        if self.of_mode(self.today, owner, mode) + count > MODES[mode].limit:
            return LimitReached
        return CooldownActive if self.wait(owner) else None

    def prompt_refusal(self, owner: OwnerId) -> type[TrialRefused] | None:
        if self.all_calls[self.today] == GLOBAL_PROMPT_LIMIT:
            return PromptPoolExhausted
        return PromptLimitReached if self.calls[self.today, owner] == PROMPT_LIMIT else None

    def take_prompt_call(self, owner: OwnerId) -> None:
        self.calls[self.today, owner] += 1
        self.all_calls[self.today] += 1
        self.seen.add((self.today, owner))

    def forgive_prompt_call(self, owner: OwnerId, date: str) -> None:
        if self.calls[date, owner]:
            self.calls[date, owner] -= 1
            self.all_calls[date] -= 1

    def reserve(self, reservations: list[Reservation]) -> None:
        for each in reservations:
            self.live[each.id] = (each, Lease(self.now))
        first = reservations[0]
        self.seen.add((first.date, first.owner))
        if self.cooldown:
            self.waiting[first.owner] = (self.now + self.cooldown, first.id)

    def settle(self, reservation: Reservation) -> None:
        del self.live[reservation.id]
        self.pool[reservation.date] += reservation.cost
        self.made[reservation.date, reservation.owner, reservation.mode] += 1
        self.pictures[reservation.owner] += 1

    def release(self, reservation: Reservation) -> None:
        del self.live[reservation.id]
        if self.waiting.get(reservation.owner, (None, ""))[1] == reservation.id:
            del self.waiting[reservation.owner]

    def expired(self) -> list[Reservation]:
        return [each for each, lease in self.live.values() if lease.deadline < self.now]

    def reset(self, owner: OwnerId) -> Forgiven:
        pictures = sum(self.made.pop((self.today, owner, mode), 0) for mode in MODES)
        self.waiting.pop(owner, None)
        return Forgiven(pictures=pictures, prompt_calls=self.calls.pop((self.today, owner), 0))

    def let_time_pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.live = {name: held for name, held in self.live.items() if held[1].forgotten > self.now}
