"""How many generations one process runs at once, and who is next."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nano_banana_lab.core.generation.ports import GenerationError
from nano_banana_lab.core.shared.ids import OwnerId

RETRY_AFTER_SECONDS = 10


class Overloaded(GenerationError):
    """The waiting room is full. `retry_after` is in seconds."""

    code = "overloaded"
    sentence = "Too many pictures are being made right now; please try again in a moment."

    def __init__(self) -> None:
        self.retry_after = RETRY_AFTER_SECONDS
        super().__init__()


LOADING_AT_ONCE = 4
"""Enough to keep the threads that decode pictures busy; each may hold all that one request can bring along."""


class Admission:
    """At most `concurrent` generations run; up to `waiting` more wait, taken in turn from each waiting owner.

    While nobody waits there is no cap for one owner; while somebody does, each owner gets every n-th place of n owners.
    """

    def __init__(self, *, concurrent: int, waiting: int) -> None:
        self._free = concurrent
        self._room = waiting  # chairs that are free; patient callers stand
        self._queues: OrderedDict[OwnerId, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(len(queue) for queue in self._queues.values())

    @asynccontextmanager
    async def place(self, owner: OwnerId, *, patient: bool = False) -> AsyncIterator[None]:
        """Hold a place while the body runs. Raises `Overloaded` when the waiting room is full, unless `patient`."""
        await self._enter(owner, patient=patient)
        try:
            yield
        finally:
            self._pass_on()

    async def _enter(self, owner: OwnerId, *, patient: bool) -> None:
        if self._free:
            self._free -= 1
            return
        if patient:
            await self._wait(owner)
            return
        if not self._room:
            raise Overloaded
        self._room -= 1
        try:
            await self._wait(owner)
        finally:
            self._room += 1

    async def _wait(self, owner: OwnerId) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(owner, turn)
            raise

    def _leave(self, owner: OwnerId, turn: asyncio.Future[None]) -> None:
        """A waiter gave up: hand its place on if it was just given one, else take it out of the queue."""
        if turn.done() and not turn.cancelled():
            self._pass_on()
            return
        queue = self._queues.get(owner, deque())
        if turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[owner]

    def _pass_on(self) -> None:
        turn = self._next()
        if turn is None:
            self._free += 1
        else:
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Whose turn it is; those that have given up and not yet left are passed over at no cost to their owner."""
        while self._queues:
            owner, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            if not queue:
                del self._queues[owner]
            elif not turn.cancelled():
                self._queues.move_to_end(owner)
            if not turn.cancelled():
                return turn
        return None


class LoadingRoom(Admission):
    """Where pictures are loaded for the model: in turn from each owner, and a few at once, who leave when they are admitted.

    So nobody who makes the lab decode large pictures takes the places of those who do not.
    """
