"""Points that are set aside for a picture that is being made, and the operations that move them.

Each list of operations is one commit. The reservation's value never changes while it lives, so that whoever
takes it away - the settlement, the release, a reaper in any process - does so once, and the others are refused.
"""

from datetime import UTC, datetime

import msgspec

from nano_banana_lab.core.quota.modes import QuotaMode
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Add, Delete, IndexPut, IndexRemove, Operation, Put

LEASE_SECONDS = 60
"""How long a reservation outlives the process that made it."""

KEPT_SECONDS = 3 * 86400
"""How long a day's counters are kept, for reservations that end after midnight and for operators."""

RESERVATIONS = "quota/reservations"
"""Index of the ids of all reservations by their deadline in milliseconds."""

POINTS = "points"
PROMPT_CALLS = "prompts"
SETTLED = ".settled"
"""Ends the name of the counter that says how much of another one is spent for good, and not only set aside."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """One picture's points. `date` is the UTC day on which they count, also when the picture lands after midnight.

    `cooldown_until` (milliseconds) is set on the reservation that began its owner's cooldown and gives it back.
    """

    id: str
    owner: OwnerId
    mode: str
    cost: int
    date: str
    cooldown_until: int | None = None

    @property
    def key(self) -> str:
        """Where it is kept."""
        return reservation_key(self.id)

    @property
    def value(self) -> bytes:
        """What is kept there, from beginning to end."""
        return msgspec.json.encode(self)

    @property
    def cooldown(self) -> bytes:
        """The value of the cooldown that this reservation began."""
        return msgspec.json.encode(Cooldown(until=self.cooldown_until or 0, reservation=self.id))


class Cooldown(msgspec.Struct, frozen=True, kw_only=True):
    """Until when (milliseconds) its owner has to wait, and because of which reservation."""

    until: int
    reservation: str


def day_of(now: datetime) -> str:
    """The UTC day, as it stands in keys and answers."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def reservation_key(id: str) -> str:
    """The value of a reservation."""
    return f"quota/reservation/{id}"


def pool_key(date: str) -> str:
    """The counter `points` of what all users have spent or set aside that day, beside it what of that is settled; and `prompts`."""
    return f"quota/{date}/pool"


def owner_key(date: str, owner: OwnerId) -> str:
    """The counters of what one user makes that day, by mode, beside each what of it is settled; and `prompts`."""
    return f"quota/{date}/owner/{owner}"


def owners_index(date: str) -> str:
    """Everybody who has used the trial that day, by when last."""
    return f"quota/{date}/owners"


def cooldown_key(owner: OwnerId) -> str:
    """The cooldown of a user, while there is one."""
    return f"quota/cooldown/{owner}"


def reserving(
    reservations: list[Reservation], mode: QuotaMode, policy: QuotaPolicy, now: datetime, *, held_for: int
) -> list[Operation]:
    """Set the points aside for `held_for` seconds; refused at position 0 by the pool, at 1 by the user's limit, at 2 by
    the cooldown.
    """
    first, count = reservations[0], len(reservations)
    moment = milliseconds(now)
    pool = policy.global_points if mode.cost else None  # what is free does not end with the points
    limits: list[Operation] = [
        _add(pool_key(first.date), POINTS, count * mode.cost, pool),
        _add(owner_key(first.date, first.owner), first.mode, count, mode.limit),
    ]
    if first.cooldown_until is not None:
        cooldown = Put(
            key=cooldown_key(first.owner), value=first.cooldown, if_absent=True, ttl=float(policy.cooldown_seconds)
        )
        limits.append(cooldown)
    entries: list[Operation] = [
        IndexPut(index=owners_index(first.date), member=first.owner, score=moment, ttl=KEPT_SECONDS),
        *(Put(key=each.key, value=each.value, if_absent=True, ttl=KEPT_SECONDS) for each in reservations),
        *(_listed(each, moment, held_for) for each in reservations),
    ]
    return limits + entries


def settling(reservation: Reservation) -> list[Operation]:
    """Keep the points spent; refused at position 0 when the reservation was released meanwhile, and nowhere else."""
    return [
        *_ending(reservation),
        _add(pool_key(reservation.date), POINTS + SETTLED, reservation.cost),
        _add(owner_key(reservation.date, reservation.owner), reservation.mode + SETTLED, 1),
    ]


def releasing(reservation: Reservation) -> list[Operation]:
    """Give points and cooldown back; refused at position 0 when that was done already, or the points are spent.

    Refused at a later position when what it takes from is no longer there: then that operation has no more to do.
    """
    back: list[Operation] = [
        take(pool_key(reservation.date), POINTS, reservation.cost),
        take(owner_key(reservation.date, reservation.owner), reservation.mode, 1),
    ]
    if reservation.cooldown_until is not None:
        back.append(Delete(key=cooldown_key(reservation.owner), if_equals=reservation.cooldown))
    return [*_ending(reservation), *back]


def renewing(reservation: Reservation, now: datetime) -> list[Operation]:
    """Move the deadline; refused at position 0 when the reservation is gone."""
    same = Put(key=reservation.key, value=reservation.value, if_equals=reservation.value, ttl=KEPT_SECONDS)
    return [same, _listed(reservation, milliseconds(now), LEASE_SECONDS)]


def taking_a_prompt_call(owner: OwnerId, now: datetime, policy: QuotaPolicy) -> list[Operation]:
    """Count a prompt-writing call; refused at position 0 when all users' of the day are used up, at 1 when this user's are."""
    date = day_of(now)
    return [
        _add(pool_key(date), PROMPT_CALLS, 1, policy.global_prompt_limit),
        _add(owner_key(date, owner), PROMPT_CALLS, 1, policy.prompt_limit),
        IndexPut(index=owners_index(date), member=owner, score=milliseconds(now), ttl=KEPT_SECONDS),
    ]


def forgiving_a_prompt_call(owner: OwnerId, date: str) -> list[Operation]:
    """Uncount it; refused when the user has none. Then all users' stay as well, which is rather too many than too few."""
    return [take(owner_key(date, owner), PROMPT_CALLS, 1), take(pool_key(date), PROMPT_CALLS, 1)]


def take(key: str, field: str, amount: int) -> Add:
    """Take something off a counter of a day; refused when it would go below 0."""
    return Add(key=key, field=field, amount=-amount, floor=0, ttl=KEPT_SECONDS)


def _ending(reservation: Reservation) -> list[Operation]:
    """Whoever takes the value away has ended the reservation; its id is never used again."""
    return [
        Delete(key=reservation.key, if_present=True),
        IndexRemove(index=RESERVATIONS, member=reservation.id),
    ]


def _add(key: str, field: str, amount: int, ceiling: int | None = None) -> Add:
    return Add(key=key, field=field, amount=amount, ceiling=ceiling, ttl=KEPT_SECONDS)


def _listed(reservation: Reservation, moment: int, held_for: int) -> IndexPut:
    deadline = moment + held_for * 1000
    return IndexPut(index=RESERVATIONS, member=reservation.id, score=deadline, ttl=KEPT_SECONDS)
