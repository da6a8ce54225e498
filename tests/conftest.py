"""What the tests of the core, of the HTTP side and of the command line share: stores that fail on demand."""

import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest


class ProcessDied(BaseException):
    """What `kill -9` looks like from inside: nothing in the lab may catch it, and nothing is written any more."""


class Mishap:
    """Strikes at the `at`-th of the named calls, counted over all stores that share it, and at the `times - 1` after it.

    It strikes before the call reaches the store or, when `applied`, after the store did as it was told.
    """

    def __init__(
        self,
        error: BaseException,
        *calls: str,
        at: int = 1,
        times: float = math.inf,
        applied: bool = False,
    ) -> None:
        self.error = error
        self.calls = calls
        self.at = at
        self.times = times
        self.applied = applied
        self.seen = 0

    async def around(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if name not in self.calls:
            return await call()
        self.seen += 1
        strikes = self.at <= self.seen < self.at + self.times
        if strikes and not (self.applied and self.seen == self.at):
            raise self.error
        result = await call()
        if strikes:
            raise self.error
        return result


class Unreliable:
    """A store that works until its mishap strikes; `mishap = None` mends it."""

    def __init__(self, store: Any, mishap: Mishap | None = None) -> None:
        self._store = store
        self.mishap = mishap

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("get", "page", "commit", "put", "open", "delete", "head", "ping"):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.mishap is None:
                return await method(*args, **kwargs)
            return await self.mishap.around(name, lambda: method(*args, **kwargs))

        return call


@pytest.fixture(scope="session")
def mishap() -> type[Mishap]:
    return Mishap


@pytest.fixture(scope="session")
def unreliable() -> type[Unreliable]:
    return Unreliable


@pytest.fixture(scope="session")
def process_died() -> type[ProcessDied]:
    return ProcessDied


@pytest.fixture(scope="session", autouse=True)
def impatient_saving() -> Iterator[None]:
    """What has been paid for is saved again at once instead of after seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nano_banana_lab.core.storage.insist.RETRY_AFTER_SECONDS", (0, 0))
        patch.setattr("nano_banana_lab.core.storage.insist.LOOK_AGAIN_SECONDS", 0.01)
        yield
