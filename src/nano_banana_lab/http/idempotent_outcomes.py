"""What came of the requests with an `Idempotency-Key`: the first success of each key, and a lease until there is one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.shared.errors import LabError, ValidationFailed
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Operation, Put
from nano_banana_lab.core.storage.ports import KeyValueStore, StoreUnavailable

IDEMPOTENCY_KEY = "Idempotency-Key"

LEASE_SECONDS = 60.0
"""How long a key stays taken once the process that works on its request has died."""

RENEWAL_SECONDS = 20.0
"""How often a living process renews the lease: two renewals may fail before it runs out."""

KEPT_HEADERS = frozenset({"content-type", "location", "preference-applied"})
"""What a replay repeats; every other header is about one response, not about the outcome."""

logger = logging.getLogger(__name__)


class IdempotencyConflict(LabError):
    """The first request with this key has no outcome yet. `retry_after` is in seconds."""

    code = "idempotency_conflict"
    sentence = "The first request with this Idempotency-Key is still running; please ask again in a moment."
    retry_after = 5


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole response; the names of its headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Running(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="running"):
    """Who works on the first request. No two attempts are equal, so that none can take what is another's."""

    fingerprint: str
    attempt: str
    schema: int = 1


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag_field="state", tag="finished"):
    """What a repeat gets."""

    fingerprint: str
    answer: Answer
    schema: int = 1


@dataclass(frozen=True, kw_only=True)
class IdempotentOutcomes:
    """Lets each request happen once: whoever asks again gets the first outcome, in every process that shares the store.

    Only successes are kept, for `ttl_seconds`; whatever else happens frees the key.
    """

    key_values: KeyValueStore
    paid_calls: PaidCalls
    ttl_seconds: float
    lease_seconds: float = LEASE_SECONDS
    renewal_seconds: float = RENEWAL_SECONDS

    async def once(self, key: str, fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> tuple[Answer, bool]:
        """What `ask` answers the first time, and whether that was an earlier time. Raises what `ask` raises.

        A success is kept before this returns. When the caller is cancelled the work goes on and its outcome is kept:
        it is being paid for, and a repeat that bought it again would be the worse loss.
        Raises `ValidationFailed` when `key` stands for another `fingerprint`, `IdempotencyConflict` while the first one
        runs, `StoreUnavailable` when the key cannot be claimed, and `ShuttingDown`.
        """
        return await self.paid_calls.run(self._once(key, fingerprint, ask))

    async def _once(self, key: str, fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> tuple[Answer, bool]:
        value = msgspec.json.encode(Running(fingerprint=fingerprint, attempt=new_id()))
        lease = Lease(key_values=self.key_values, key=key, value=value, seconds=self.lease_seconds)
        try:
            await lease.take()
        except CommitRefused as refused:
            return _earlier(refused.current, fingerprint), True
        return await self._first(lease, fingerprint, ask), False

    async def _first(self, lease: "Lease", fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with lease.renewed_every(self.renewal_seconds):
                answer = await ask()
        except (Exception, asyncio.CancelledError):
            await lease.free()
            raise
        if answer.is_success:
            kept = tuple([header for header in answer.headers if header[0] in KEPT_HEADERS])
            outcome = Finished(fingerprint=fingerprint, answer=msgspec.structs.replace(answer, headers=kept))
            await lease.turn_into(msgspec.json.encode(outcome), self.ttl_seconds)
        else:
            await lease.free()
        return answer


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A key that one attempt holds, for `seconds` at a time. Never touches what somebody else has put there.

    Only `take` raises: once the work has begun, a store that is away must not cost anybody its result.
    """

    key_values: KeyValueStore
    key: str
    value: bytes
    seconds: float

    async def take(self) -> None:
        """Raises `CommitRefused` with what is there already, and `StoreUnavailable`."""
        await self.key_values.commit(Put(key=self.key, value=self.value, ttl=self.seconds, if_absent=True))

    @asynccontextmanager
    async def renewed_every(self, seconds: float) -> AsyncIterator[None]:
        """Keep the lease alive meanwhile."""
        renewing = asyncio.create_task(self._renew_every(seconds))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def turn_into(self, value: bytes, ttl: float) -> None:
        """Leave `value` under the key for `ttl` seconds."""
        put = await self._put(value, ttl)
        if not put:
            why = "the store is away" if put is None else "another request took its key"
            logger.warning("an idempotent outcome was not kept", extra={"key": self.key, "why": why})

    async def free(self) -> None:
        """Let the next request have the key; when the store is away, it has it once the lease runs out."""
        await self._applied(Delete(key=self.key, if_equals=self.value))

    async def _renew_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._put(self.value, self.seconds)

    async def _put(self, value: bytes, ttl: float) -> bool | None:
        """Replace the lease, or take the place of one that ran out while nobody wanted it.

        False when somebody else has the key, None when the store is away and nobody knows.
        """
        replaced = await self._applied(Put(key=self.key, value=value, ttl=ttl, if_equals=self.value))
        if replaced is False:
            return await self._applied(Put(key=self.key, value=value, ttl=ttl, if_absent=True))
        return replaced

    async def _applied(self, operation: Operation) -> bool | None:
        try:
            await self.key_values.commit(operation)
        except CommitRefused:
            return False
        except StoreUnavailable:
            return None
        return True


def _earlier(found: bytes | int | None, fingerprint: str) -> Answer:
    assert isinstance(found, bytes)  # a refused `if_absent` has found a value
    first: Running | Finished = msgspec.json.decode(found, type=Running | Finished)
    if first.fingerprint != fingerprint:
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "used_for_another_request")
    if isinstance(first, Running):
        raise IdempotencyConflict
    return first.answer
