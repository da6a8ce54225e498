"""What came of the requests with an `Idempotency-Key`: the first success of each key, and a lease until there is one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.shared.errors import LabError, ValidationFailed
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.lease import LEASE_SECONDS, RENEW_AFTER_SECONDS, Lease
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import KeyValueStore

IDEMPOTENCY_KEY = "Idempotency-Key"

FREE_SECONDS = 0.4
"""How long an answer waits until its key is free."""

KEPT_HEADERS = frozenset({"content-type", "content-language", "location", "preference-applied"})
"""What a replay repeats; every other header is about one response, not about the outcome."""


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
    renewal_seconds: float = RENEW_AFTER_SECONDS

    async def once(self, key: str, fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> tuple[Answer, bool]:
        """What `ask` answers the first time, and whether that was an earlier time. Raises what `ask` raises.

        A success is kept before this returns, also by a store that is away for some seconds just then. When it stays away
        longer than a lease insists, or the process dies first, the outcome is lost and the key is free `lease_seconds` later.
        When the caller is cancelled the work goes on and its outcome is kept: it is being paid for, and a repeat that
        bought it again would be the worse loss.
        Raises `ValidationFailed` when `key` stands for another `fingerprint`, `IdempotencyConflict` while the first one
        runs, `StoreUnavailable` when the key cannot be claimed, and `ShuttingDown`.
        """
        return await self.paid_calls.run(self._once(key, fingerprint, ask))

    async def _once(self, key: str, fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> tuple[Answer, bool]:
        value = msgspec.json.encode(Running(fingerprint=fingerprint, attempt=new_id()))
        lease = Lease(
            key_values=self.key_values,
            key=key,
            value=value,
            seconds=self.lease_seconds,
            renew_after=self.renewal_seconds,
        )
        try:
            await lease.take()
        except CommitRefused as refused:
            return _earlier(refused.current, fingerprint), True
        return await self._first(lease, fingerprint, ask), False

    async def _first(self, lease: Lease, fingerprint: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        answer: Answer | None = None
        try:
            async with lease.renewed():
                answer = await ask()
                if answer.is_success:
                    await lease.turn_into(_outcome(fingerprint, answer), self.ttl_seconds)
                    return answer
        except (Exception, asyncio.CancelledError):
            if answer is None:  # else something was bought, and a free key would buy it again at once
                await self._free(lease)
            raise
        await self._free(lease)
        return answer

    async def _free(self, lease: Lease) -> None:
        """A store that hangs frees the key later than the client has its answer."""
        await self.paid_calls.go_on(lease.free(), wait=FREE_SECONDS)


def _outcome(fingerprint: str, answer: Answer) -> bytes:
    kept = tuple([header for header in answer.headers if header[0] in KEPT_HEADERS])
    return msgspec.json.encode(Finished(fingerprint=fingerprint, answer=msgspec.structs.replace(answer, headers=kept)))


def _earlier(found: bytes | int | None, fingerprint: str) -> Answer:
    assert isinstance(found, bytes)  # a refused `if_absent` has found a value
    first: Running | Finished = msgspec.json.decode(found, type=Running | Finished)
    if first.fingerprint != fingerprint:
        raise ValidationFailed.of(IDEMPOTENCY_KEY, "used_for_another_request")
    if isinstance(first, Running):
        raise IdempotencyConflict
    return first.answer
