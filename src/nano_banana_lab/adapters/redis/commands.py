"""How the adapters on Redis speak to the server: within a deadline, and never twice what must not be repeated."""

import asyncio
import math
import select
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from nano_banana_lab.core.shared.errors import LabError

DEADLINE_SECONDS = 4.0
"""Nothing takes longer, whatever the client's own timeouts are."""

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua file of this folder. It is sent as a whole only to a server that does not know it yet."""

    text: str
    sha: str

    @classmethod
    def load(cls, name: str) -> Self:
        text = files(__package__).joinpath(name).read_text()
        return cls(text=text, sha=sha1(text.encode(), usedforsecurity=False).hexdigest())


class Commands:
    """Sends commands on connections of the client's pool; answers are as Redis gives them, texts as bytes.

    After the server was away, what may be repeated uses a new connection by itself, and what may not is only ever sent
    on a connection that is not known to be closed, once.
    Whatever goes wrong, an error that Redis answers included, is raised as the error that `unavailable` makes.
    """

    def __init__(self, client: Redis, unavailable: Callable[[], LabError]) -> None:
        self._client = client
        self._unavailable = unavailable

    async def ask(self, *command: Argument, may_repeat: bool = True, patience: float | None = None) -> Any:
        """The answer to one command. `patience` in seconds replaces the deadline and the client's own timeout."""
        async with self._deadline(patience or DEADLINE_SECONDS):
            return await self._send(command, may_repeat=may_repeat, read_timeout=None if patience is None else math.inf)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], *, may_repeat: bool) -> Any:
        """What the script answers. A server that answers it does not know the script has done nothing yet."""
        call = (len(keys), *keys, *arguments)
        async with self._deadline(DEADLINE_SECONDS):
            try:
                return await self._send(("EVALSHA", script.sha, *call), may_repeat=may_repeat)
            except NoScriptError:
                return await self._send(("EVAL", script.text, *call), may_repeat=may_repeat)

    async def _send(self, command: tuple[Argument, ...], *, may_repeat: bool, read_timeout: float | None = None) -> Any:
        try:
            return await self._send_once(command, read_timeout)
        except RedisConnectionError:
            if not may_repeat:
                raise
            return await self._send_once(command, read_timeout)

    async def _send_once(self, command: tuple[Argument, ...], read_timeout: float | None) -> Any:
        """Send on a connection of the pool's; the client's own methods repeat what failed if it is set up to."""
        pool: Any = self._client.connection_pool
        cancellations = _cancellations()
        connection = await pool.get_connection()
        try:
            await _reconnect_if_closed(connection)
            await connection.send_command(*command)
            if _cancellations() > cancellations:
                await _heed_cancellation(connection)
            return await connection.read_response(disable_decoding=True, timeout=read_timeout)
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def _deadline(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise self._unavailable() from error


def _cancellations() -> int:
    """How often the current task has been asked to end, by a deadline or for good."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def _heed_cancellation(connection: Any) -> None:
    """What redis-py misses: before Python 3.12 its `asyncio.wait_for` now and then swallows a cancellation."""
    await connection.disconnect(nowait=True)
    raise asyncio.CancelledError


async def _reconnect_if_closed(connection: Any) -> None:
    """What redis-py misses: a connection that was reset, and a goodbye that the event loop has not read yet."""
    if _is_closed(connection._writer):  # noqa: SLF001 - redis-py has no public way to ask
        await connection.disconnect(nowait=True)
        await connection.connect()


def _is_closed(writer: asyncio.StreamWriter) -> bool:
    """Nothing is due on a connection before a command is sent, so what can be read is its end."""
    if writer.is_closing():
        return True
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(writer.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))
