"""Docket as the lab uses it: one kind of task, connections that give up or persist as we say, and nothing in the background.

Importing this module takes a quarter of a second; import it in a thread.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from docket import Docket, StrikeList
from docket.execution import TaskFunction
from key_value.aio.stores.memory import MemoryStore
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

NAME = "nbl:tasks"
"""What every Redis key begins with."""

TASK = "run"
"""The one task there is; its arguments are none, its key is the name."""

_T = TypeVar("_T")

Greeting = Callable[[Any], Awaitable[None]]
"""What a new connection begins with."""


class LabDocket(Docket):
    """A `Docket` with `run` as its only task; not connected yet.

    What a name leaves in Redis dies 15 minutes after its run: long enough that a worker that was thought dead and comes
    back does not mistake a later submission of the same name for its own. In memory nobody comes back, nothing is left,
    and what dies by the clock there would never be freed (burner-redis 0.1.7).
    """

    def __init__(self, url: str, run: TaskFunction) -> None:
        super().__init__(
            NAME,
            url,
            execution_ttl=timedelta(minutes=0 if url.startswith("memory:") else 15),
            result_storage=MemoryStore(),  # stays empty: runs answer nothing and raise nothing
        )
        self._no_strikes = StrikeList()
        self.tasks = {}  # not even Docket's own examples
        self.register(run, names=[TASK])

    @property
    def strike_list(self) -> StrikeList:
        """Nobody is ever struck; the list that Docket would connect costs a reading of its own that never ends."""
        return self._no_strikes

    @strike_list.setter
    def strike_list(self, _: StrikeList) -> None: ...


async def submitted() -> None:
    """Stands for the runs in a docket that only submits them."""


class Patience(Retry):
    """For how many quarters of a second a command is sent again that fails for Redis' own reasons; -1 for as long as it takes.

    Those are silence and refusals (out of memory, too few replicas, busy, not permitted): all but the answers that are
    news to Docket. It would take a refusal for the end of its session, as it would a lost connection.
    All connections share it, so that `update_retries` ends all waiting at once; redis-py makes copies of any other.
    """

    def __init__(self, retries: int) -> None:
        super().__init__(ConstantBackoff(0.25), retries, (RedisConnectionError, RedisTimeoutError, ResponseError))
        self.last_trouble = trouble_of(RedisTimeoutError())
        self._failing: dict[object, tuple[float, str]] = {}

    def __deepcopy__(self, _: dict[int, Any]) -> "Patience":
        return self

    def trouble(self, seconds: float) -> str | None:
        """What some command has met with for longer than this, until now."""
        since = time.monotonic() - seconds
        return next((trouble for began, trouble in self._failing.values() if began < since), None)

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[_T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,  # noqa: FBT001, FBT002 - redis-py's own signature
    ) -> _T:
        command = object()

        def failed(error: Exception, *count: int) -> Any:
            self.last_trouble = trouble_of(error)
            began, _ = self._failing.get(command, (time.monotonic(), ""))
            self._failing[command] = (began, self.last_trouble)
            return fail(error, *count)

        try:
            return await super().call_with_retry(do, failed, is_retryable or _may_pass, with_failure_count)
        finally:
            self._failing.pop(command, None)


def trouble_of(error: Exception) -> str:
    """What Redis does, in words that go on a sentence, with the code of a refusal such as OOM."""
    if isinstance(error, ResponseError):
        code = error.status_code or str(error).rpartition("caused error: ")[2].partition(" ")[0]
        return f"refuses ({code})"
    return f"does not answer ({type(error).__name__})"


def _may_pass(error: Exception) -> bool:
    """Whether the same command may be answered differently later, other than what Docket itself has an answer to."""
    expected = isinstance(error, NoScriptError) or any(code in str(error) for code in ("NOGROUP", "BUSYGROUP"))
    return not expected


@asynccontextmanager
async def connected(docket: Docket, patience: Patience, greeting: Greeting | None = None) -> AsyncIterator[None]:
    """Connect it on first use, until the end; what hangs is given up after 3 seconds and asked again with `patience`.

    Docket's own connections wait for ever, and its worker stops taking names, and lets go of those it runs, at the
    first that breaks. Options in the URL's query win over these.
    """
    async with docket, docket.redis() as client:
        if not isinstance(client, Redis):
            yield
            return
        pool = BlockingConnectionPool.from_url(
            docket.url,
            max_connections=64,
            timeout=None,
            socket_connect_timeout=2.0,
            socket_timeout=3.0,
            retry=patience,
            redis_connect_func=greeting,
            # While these notifications are on, redis-py 8.1 hands out connections that the server has closed.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        async with aclosing(pool):
            client.connection_pool = pool
            yield
