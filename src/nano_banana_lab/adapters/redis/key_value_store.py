"""The `KeyValueStore` on a Redis or Valkey server.

| what          | Redis key       | type   | dies                                                     |
|---------------|-----------------|--------|----------------------------------------------------------|
| value         | `nbl:v:{key}`   | string | with its time to live; holds the bytes as they were put  |
| counters      | `nbl:c:{key}`   | hash   | with their time to live                                  |
| index         | `nbl:i:{index}` | zset   | with its last entry, when every entry has a time to live |
| its moments   | `nbl:x:{index}` | zset   | with the index; when each entry expires, in milliseconds |

Each commit is one call of `commit.lua`, and so one round trip and atomic.
Works on Redis 7 or newer and Valkey, alone or behind Sentinel; not on Cluster, where one script cannot span slots.
A commit is as durable as the server is configured to be (`appendonly yes`, `appendfsync`).
"""

import asyncio
import select
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from nano_banana_lab.core.storage.operations import (
    Add,
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
    check_name,
    check_names,
    check_operations,
    check_page,
)
from nano_banana_lab.core.storage.ports import Entry, Page, StoreUnavailable

DEADLINE_SECONDS = 4.0
"""Nothing takes longer, whatever the client's own timeouts are."""

_Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha: str

    @classmethod
    def load(cls, name: str) -> Self:
        text = files(__package__).joinpath(name).read_text()
        return cls(text=text, sha=sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisKeyValueStore:
    """Shared by every process that reaches the server; time is the server's clock.

    `client` stays the caller's to close; `connection.connect` makes a suitable one.
    After the server was away, reads use a new connection by themselves, and a commit is only ever sent
    on a connection that is not known to be closed, once.
    Whatever Redis answers with an error (out of memory, read-only, loading, busy, not permitted) is `StoreUnavailable`.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._commit = _Script.load("commit.lua")
        self._read_index = _Script.load("read_index.lua")

    async def get(self, key: str) -> bytes | None:
        check_name(key)
        value: bytes | None = await self._read("GET", f"nbl:v:{key}")
        return value

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        check_names(keys)
        values: list[bytes | None] = await self._read("MGET", *[f"nbl:v:{key}" for key in keys]) if keys else []
        return values

    async def counters(self, key: str) -> dict[str, int]:
        check_name(key)
        reply: dict[bytes, bytes] | list[bytes] = await self._read("HGETALL", f"nbl:c:{key}")
        # RESP3 has maps; a client made elsewhere may speak RESP2.
        pairs: Iterable[tuple[bytes, bytes]] = (
            reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        )
        return {field.decode(): int(amount) for field, amount in pairs}

    async def page(
        self,
        index: str,
        *,
        limit: int,
        newest_first: bool = True,
        after: Entry | None = None,
        offset: int = 0,
        min_score: int | None = None,
        max_score: int | None = None,
    ) -> Page:
        check_page(index, limit, offset)
        behind: tuple[_Argument, _Argument] = ("", "") if after is None else (after.score, after.member)
        wanted = (limit, int(newest_first), offset, _optional(min_score), _optional(max_score), *behind)
        has_more, rows = await self._run(self._read_index, [f"nbl:i:{index}"], wanted, may_repeat=True)
        # A score may be written with an exponent, which int() does not read; doubles are exact up to MAX_INTEGER.
        entries = [Entry(int(float(rows[at + 1])), rows[at].decode()) for at in range(0, len(rows), 2)]
        return Page(tuple(reversed(entries) if newest_first else entries), has_more=bool(has_more))

    async def count(self, index: str, *, min_score: int | None = None, max_score: int | None = None) -> int:
        check_name(index)
        wanted = (0, 0, 0, _optional(min_score), _optional(max_score), "", "")
        size: int = await self._run(self._read_index, [f"nbl:i:{index}"], wanted, may_repeat=True)
        return size

    async def commit(self, *operations: Operation) -> tuple[int | None, ...]:
        check_operations(operations)
        if not operations:
            return ()
        keys = [_redis_key(operation) for operation in operations]
        arguments = [argument for operation in operations for argument in _arguments(operation)]
        accepted, *answer = await self._run(self._commit, keys, arguments, may_repeat=False)
        if not accepted:
            position, current = answer
            raise CommitRefused(position, operations[position], current)
        amounts = iter(answer)
        return tuple([next(amounts) if isinstance(operation, Add) else None for operation in operations])

    async def ping(self) -> None:
        """A commit of nothing: Redis refuses it while it is read-only, out of memory or unable to persist."""
        await self._run(self._commit, [], [], may_repeat=True)

    async def _read(self, *command: _Argument) -> Any:
        async with _deadline():
            return await self._send(command, may_repeat=True)

    async def _run(
        self, script: _Script, keys: Sequence[str], arguments: Sequence[_Argument], *, may_repeat: bool
    ) -> Any:
        """What the script answers. A server that answers it does not know the script has done nothing yet."""
        call = (len(keys), *keys, *arguments)
        async with _deadline():
            try:
                return await self._send(("EVALSHA", script.sha, *call), may_repeat=may_repeat)
            except NoScriptError:
                return await self._send(("EVAL", script.text, *call), may_repeat=may_repeat)

    async def _send(self, command: tuple[_Argument, ...], *, may_repeat: bool) -> Any:
        try:
            return await self._send_once(command)
        except RedisConnectionError:
            if not may_repeat:
                raise
            return await self._send_once(command)

    async def _send_once(self, command: tuple[_Argument, ...]) -> Any:
        """Send on a connection of the pool's; the client's own methods repeat what failed if it is set up to."""
        pool: Any = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            await _reconnect_if_closed(connection)
            await connection.send_command(*command)
            return await connection.read_response(disable_decoding=True)
        finally:
            await pool.release(connection)


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable("key value store") from error


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


def _redis_key(operation: Operation) -> str:
    match operation:
        case Put(key=key) | Delete(key=key) | Expire(key=key):
            return f"nbl:v:{key}"
        case Add(key=key):
            return f"nbl:c:{key}"
        case IndexPut(index=index) | IndexRemove(index=index):
            return f"nbl:i:{index}"


def _arguments(operation: Operation) -> tuple[_Argument, ...]:
    """The operation as `commit.lua` reads it."""
    match operation:
        case Put(if_equals=expected):
            condition = "equals" if expected is not None else "absent" if operation.if_absent else ""
            return ("put", operation.value, _milliseconds(operation.ttl), condition, expected or b"")
        case Delete(if_equals=expected):
            condition = "equals" if expected is not None else "present" if operation.if_present else ""
            return ("delete", condition, expected or b"")
        case Add():
            least, most = operation.limits
            return ("add", operation.field, operation.amount, least, most, _milliseconds(operation.ttl))
        case IndexPut():
            return ("list", operation.member, operation.score, _milliseconds(operation.ttl))
        case IndexRemove():
            return ("unlist", operation.member)
        case Expire():
            return ("expire", _milliseconds(operation.ttl))


def _milliseconds(ttl: float | None) -> _Argument:
    return "" if ttl is None else round(ttl * 1000)


def _optional(score: int | None) -> _Argument:
    return "" if score is None else score
