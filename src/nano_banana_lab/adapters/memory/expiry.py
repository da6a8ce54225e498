"""When things in memory are to be forgotten."""

import heapq
from collections.abc import Hashable
from itertools import count as numbers
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing", bound=Hashable)


class Expiry(Generic[_Thing]):
    """When things expire, in milliseconds since the epoch. What expires next is found without looking at the rest.

    Grows with the things that are still to expire, however often their moments are replaced.
    """

    def __init__(self) -> None:
        self._moments: dict[_Thing, int] = {}
        self._queue: list[tuple[int, int, _Thing]] = []
        self._order = numbers()

    def set(self, thing: _Thing, moment: int | None) -> None:
        """Let the thing expire at `moment` instead of when it did; None: never."""
        if moment is None:
            self._moments.pop(thing, None)
            return
        self._moments[thing] = moment
        heapq.heappush(self._queue, (moment, next(self._order), thing))
        if len(self._queue) > 2 * len(self._moments) + 64:
            self._queue = [(at, next(self._order), which) for which, at in self._moments.items()]
            heapq.heapify(self._queue)

    def due(self, now: int) -> list[_Thing]:
        """Take out what has expired by `now`."""
        expired = []
        while self._queue and self._queue[0][0] <= now:
            moment, _, thing = heapq.heappop(self._queue)
            if self._moments.get(thing) == moment:
                del self._moments[thing]
                expired.append(thing)
        return expired
