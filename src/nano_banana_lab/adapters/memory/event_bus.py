"""The `EventBus` in this process's memory: for tests, and for a lab of one process."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial

from nano_banana_lab.adapters.memory.expiry import Expiry
from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.tasks.event_limits import START, Position, check_publish, checked_position, position
from nano_banana_lab.core.tasks.listeners import Listeners
from nano_banana_lab.core.tasks.ports import Event


class MemoryEventBus:
    """Channels in a dictionary, gone with the process; for one event loop.

    Keeps every promise of the port; never raises `QueueUnavailable`.
    Time passes as `clock` says. When it goes back the ids do not, unless the process is restarted then.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: dict[str, list[Event]] = {}
        self._expiry = Expiry[str]()
        self._listeners = Listeners()
        self._last = START

    async def publish(
        self, channel: str, events: Sequence[tuple[str, bytes]], *, ttl: float, if_empty: bool | None = None
    ) -> list[str]:
        check_publish(channel, events, ttl)
        now = self._forget_expired()
        if if_empty is not None and if_empty == (channel in self._channels):
            return []
        posted = [Event(id=self._next_id(now), name=name, data=bytes(data)) for name, data in events]
        if posted:
            self._channels.setdefault(channel, []).extend(posted)
            self._expiry.set(channel, now + round(ttl * 1000))
            self._listeners.wake(channel)
        return [event.id for event in posted]

    async def read(self, channel: str, *, after: str | None = None, wait: float = 0, limit: int = 100) -> list[Event]:
        look = partial(self._look, channel, checked_position(channel, after, limit), limit)
        with self._listeners.listening(channel) as news:
            return await news.read(look, wait=wait)

    async def _look(self, channel: str, behind: Position, limit: int) -> list[Event]:
        self._forget_expired()
        events = self._channels.get(channel, [])
        first = bisect_right(events, behind, key=lambda event: position(event.id))
        return events[first : first + limit]

    def _next_id(self, now: int) -> str:
        self._last = max((now, 0), (self._last[0], self._last[1] + 1))
        return f"{self._last[0]}-{self._last[1]}"

    def _forget_expired(self) -> int:
        """Drop what has expired by now, and say when that is."""
        now = milliseconds(self._clock.now())
        for channel in self._expiry.due(now):
            del self._channels[channel]
        return now
