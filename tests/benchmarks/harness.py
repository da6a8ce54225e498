"""What a row finds, and how it is judged: medians over rounds in which ours and its yardstick take turns."""

import inspect
import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

Measure = Callable[[], float | Awaitable[float]]
"""Does the work of one round and says what it took."""


class Target(msgspec.Struct, frozen=True):
    """What a line promises: a limit for the ratio to its yardstick, or for our own median."""

    limit: float
    kind: Literal["at most", "at least"]
    of: Literal["ratio", "ours"] = "ratio"

    def met_by(self, value: float) -> bool:
        """Whether the value keeps the promise; the limit itself does."""
        return value <= self.limit if self.kind == "at most" else value >= self.limit


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `ours` and `yardstick` have one number for each round, in `unit`.

    Without a yardstick there is no ratio, and without a target nothing is judged.
    """

    what: str
    stores: str
    unit: str
    ours: Sequence[float]
    yardstick: Sequence[float] = ()
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: both sides of a round met the same noise."""
        if not self.yardstick:
            return None
        return statistics.median([ours / bare for ours, bare in zip(self.ours, self.yardstick, strict=True)])

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        if self.target is None:
            return None
        judged = self.ratio if self.target.of == "ratio" else statistics.median(self.ours)
        if judged is None:
            raise ValueError(f"{self.what}: a target for the ratio needs a yardstick")
        return self.target.met_by(judged)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The first quartile, the median and the third, between the values where there is none in place."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, middle, third


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of a hundred values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


async def in_turns(ours: Measure, yardstick: Measure, *, rounds: int) -> tuple[list[float], list[float]]:
    """Measure both, `rounds` times each, first one of them first and then the other, after a round that does not count."""
    await _taken(ours), await _taken(yardstick)
    found: dict[Measure, list[float]] = {ours: [], yardstick: []}
    for number in range(rounds):
        for measure in (ours, yardstick) if number % 2 == 0 else (yardstick, ours):
            found[measure].append(await _taken(measure))
    return found[ours], found[yardstick]


async def repeated(ours: Measure, *, rounds: int) -> list[float]:
    """Measure what has no yardstick, after a round that does not count."""
    await _taken(ours)
    return [await _taken(ours) for _ in range(rounds)]


async def _taken(measure: Measure) -> float:
    taken = measure()
    return await taken if inspect.isawaitable(taken) else taken
