"""Who in this process waits for events, and of which channel, so that one who hears of news can tell them all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from nano_banana_lab.core.tasks.ports import Event, QueueUnavailable


class News:
    """What one reader waits for. Coming twice before it is noticed is coming once."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._failure: QueueUnavailable | None = None

    def come(self, failure: QueueUnavailable | None = None) -> None:
        self._failure = failure or self._failure
        self._came.set()

    async def read(self, look: Callable[[], Awaitable[list[Event]]], *, wait: float) -> list[Event]:
        """What `look` finds, looking now and whenever there is news; empty when `wait` seconds bring nothing.

        Raises `QueueUnavailable` when there will be no news any more, and what `look` raises.
        """
        deadline = asyncio.get_running_loop().time() + wait
        while not (found := await look()):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._came.wait()
            except TimeoutError:
                return []
            self._came.clear()
            if self._failure is not None:
                raise QueueUnavailable from self._failure
        return found


class Listeners:
    """All who wait; for one event loop. Costs nothing for channels nobody listens to."""

    def __init__(self) -> None:
        self._listening: dict[str, set[News]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._listening.values()))

    @contextmanager
    def listening(self, channel: str) -> Iterator[News]:
        """News of the channel from now on. Who listens first and looks then misses nothing."""
        news = News()
        self._listening.setdefault(channel, set()).add(news)
        try:
            yield news
        finally:
            self._listening[channel].remove(news)
            if not self._listening[channel]:
                del self._listening[channel]

    def wake(self, channel: str) -> None:
        """There is news of this channel."""
        for news in self._listening.get(channel, ()):
            news.come()

    def wake_all(self, failure: QueueUnavailable | None = None) -> None:
        """There may be news of any channel; with a `failure`, there will be none any more."""
        for channel in self._listening.values():
            for news in channel:
                news.come(failure)
