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

from collections.abc import Iterable, Sequence

from redis.asyncio import Redis

from nano_banana_lab.adapters.redis.commands import Argument, Commands, Script
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


class RedisKeyValueStore:
    """Shared by every process that reaches the server; time is the server's clock.

    `client` stays the caller's to close; `connection.connect` makes a suitable one.
    After the server was away, reads use a new connection by themselves, and a commit is only ever sent
    on a connection that is not known to be closed, once.
    Whatever Redis answers with an error (out of memory, read-only, loading, busy, not permitted) is `StoreUnavailable`.
    """

    def __init__(self, client: Redis) -> None:
        self._redis = Commands(client, lambda: StoreUnavailable("key value store"))
        self._commit = Script.load("commit.lua")
        self._read_index = Script.load("read_index.lua")

    async def get(self, key: str) -> bytes | None:
        check_name(key)
        value: bytes | None = await self._redis.ask("GET", f"nbl:v:{key}")
        return value

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        check_names(keys)
        values: list[bytes | None] = await self._redis.ask("MGET", *[f"nbl:v:{key}" for key in keys]) if keys else []
        return values

    async def counters(self, key: str) -> dict[str, int]:
        check_name(key)
        reply: dict[bytes, bytes] | list[bytes] = await self._redis.ask("HGETALL", f"nbl:c:{key}")
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
        behind: tuple[Argument, Argument] = ("", "") if after is None else (after.score, after.member)
        wanted = (limit, int(newest_first), offset, _optional(min_score), _optional(max_score), *behind)
        has_more, rows = await self._redis.run(self._read_index, [f"nbl:i:{index}"], wanted, may_repeat=True)
        # A score may be written with an exponent, which int() does not read; doubles are exact up to MAX_INTEGER.
        entries = [Entry(int(float(rows[at + 1])), rows[at].decode()) for at in range(0, len(rows), 2)]
        return Page(tuple(reversed(entries) if newest_first else entries), has_more=bool(has_more))

    async def count(self, index: str, *, min_score: int | None = None, max_score: int | None = None) -> int:
        check_name(index)
        wanted = (0, 0, 0, _optional(min_score), _optional(max_score), "", "")
        size: int = await self._redis.run(self._read_index, [f"nbl:i:{index}"], wanted, may_repeat=True)
        return size

    async def commit(self, *operations: Operation) -> tuple[int | None, ...]:
        check_operations(operations)
        if not operations:
            return ()
        keys = [_redis_key(operation) for operation in operations]
        arguments = [argument for operation in operations for argument in _arguments(operation)]
        accepted, *answer = await self._redis.run(self._commit, keys, arguments, may_repeat=False)
        if not accepted:
            position, current = answer
            raise CommitRefused(position, operations[position], current)
        amounts = iter(answer)
        return tuple([next(amounts) if isinstance(operation, Add) else None for operation in operations])

    async def ping(self) -> None:
        """A commit of nothing: Redis refuses it while it is read-only, out of memory or unable to persist."""
        await self._redis.run(self._commit, [], [], may_repeat=True)


def _redis_key(operation: Operation) -> str:
    match operation:
        case Put(key=key) | Delete(key=key) | Expire(key=key):
            return f"nbl:v:{key}"
        case Add(key=key):
            return f"nbl:c:{key}"
        case IndexPut(index=index) | IndexRemove(index=index):
            return f"nbl:i:{index}"


def _arguments(operation: Operation) -> tuple[Argument, ...]:
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


def _milliseconds(ttl: float | None) -> Argument:
    return "" if ttl is None else round(ttl * 1000)


def _optional(score: int | None) -> Argument:
    return "" if score is None else score
