"""Is the service alive, is it ready, and what of it is not well?"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, get
from litestar.openapi.datastructures import ResponseSpec

from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.generation.ports import GenerationError
from nano_banana_lab.core.shared.clock import Clock, SystemClock
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.storage.store_watch import NoAnswer, StoreWatch
from nano_banana_lab.core.tasks.ports import QueueUnavailable, TaskQueue
from nano_banana_lab.http import examples
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Language, Sentence, say, sentence
from nano_banana_lab.http.openapi import OPEN, answer
from nano_banana_lab.http.rate_limit import UNLIMITED
from nano_banana_lab.http.timestamps import Timestamp, rfc3339

MODEL_CHECK_REMEMBERED_SECONDS = 60
MODEL_CHECK_TIMEOUT_SECONDS = 10


class Status(StrEnum):
    """`degraded` serves, but not everything."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Health(msgspec.Struct, kw_only=True):
    """How the service is."""

    status: Status
    timestamp: Timestamp


class Component(msgspec.Struct, kw_only=True):
    """How one part is; `latency_ms` is how long it took to find out."""

    status: Status
    latency_ms: float | None = None
    error: str | None = None
    details: dict[str, Any] = {}


class DetailedHealth(msgspec.Struct, kw_only=True):
    """How the service and its parts are."""

    status: Status
    timestamp: Timestamp
    version: str
    environment: str
    uptime_seconds: float
    components: dict[str, Component]


class NoWorker(LabError):
    """Nobody makes what waits in the task queue; told, never raised."""

    code = "service_unavailable"
    sentence = "no worker is alive, so tasks only wait"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one part was found, before it is told in somebody's language. `unwell` is its status when there is an `error`."""

    unwell: Status
    latency_ms: float
    error: LabError | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    notice: Sentence | None = None

    def told(self, language: Language) -> Component:
        """The part as a client sees it."""
        notice = {"notice": say(self.notice, language)} if self.notice else {}
        return Component(
            status=self.unwell if self.error else Status.HEALTHY,
            latency_ms=self.latency_ms,
            error=sentence(self.error, language) if self.error else None,
            details={**self.details, **notice},
        )


@dataclass(kw_only=True)
class ServiceInfo:
    """What the service says of itself; `model_notice` is shown where somebody looks for the model's state."""

    version: str
    environment: str
    model_notice: Sentence | None = None
    started_at: float = field(default_factory=time.monotonic)


@dataclass(kw_only=True)
class ModelCheck:
    """Asks the image model at most once a minute whether it can be reached; that costs nothing."""

    models: ImageModels
    info: ServiceInfo
    _found: Finding | None = field(default=None, init=False)
    _checked_at: float = field(default=0.0, init=False)
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def __call__(self) -> Finding:
        """The model's state, from now or from the last minute."""
        async with self._checking:
            age = time.monotonic() - self._checked_at
            if self._found is None or age > MODEL_CHECK_REMEMBERED_SECONDS:
                self._found = await self._check()
                self._checked_at = time.monotonic()
        return self._found

    async def _check(self) -> Finding:
        started, card = time.perf_counter(), self.models.default.card
        error: LabError | None = None
        try:
            async with asyncio.timeout(MODEL_CHECK_TIMEOUT_SECONDS):
                await self.models.default.check()
        except GenerationError as failure:
            error = failure
        except TimeoutError:
            error = NoAnswer(seconds=MODEL_CHECK_TIMEOUT_SECONDS)
        return Finding(
            unwell=Status.DEGRADED,
            latency_ms=_milliseconds_since(started),
            error=error,
            details={"model": card.id, "placeholder": card.placeholder},
            notice=self.info.model_notice,
        )


@dataclass(frozen=True, kw_only=True)
class QueueCheck:
    """Asks the task queue how busy it is; without a worker, tasks only wait."""

    queue: TaskQueue

    async def __call__(self) -> Finding:
        """The queue's state now, within 5 seconds."""
        started = time.perf_counter()
        try:
            state = await self.queue.state()
        except QueueUnavailable as failure:
            return Finding(unwell=Status.UNHEALTHY, latency_ms=_milliseconds_since(started), error=failure)
        return Finding(
            unwell=Status.DEGRADED,
            latency_ms=_milliseconds_since(started),
            error=None if state.workers else NoWorker(),
            details=msgspec.structs.asdict(state),
        )


class LivenessController(Controller):
    """For whoever restarts processes; apart from the others, because it is asked most and needs none of the lab's parts."""

    path = "/api/health/live"
    tags = ("Health",)
    security = OPEN
    opt = UNLIMITED

    @get(summary="Is the process alive?", responses=answer(Health, "It is alive", examples.HEALTH))
    async def live(self) -> Health:
        """Touches nothing; for liveness probes."""
        return Health(status=Status.HEALTHY, timestamp=rfc3339(SystemClock().now()))


class HealthController(Controller):
    """For probes, load balancers and people."""

    path = "/api/health"
    tags = ("Health",)
    security = OPEN
    opt = UNLIMITED

    @get(summary="Is the service there?", responses=answer(Health, "It is there", examples.HEALTH))
    async def health(self, stores: FromDishka[StoreWatch], clock: FromDishka[Clock]) -> Health:
        """Always 200 while the process answers; `status` is `unhealthy` while a store is down."""
        down = any(probe.error for probe in (await stores.probes()).values())
        return Health(status=Status.UNHEALTHY if down else Status.HEALTHY, timestamp=rfc3339(clock.now()))

    @get(
        "/ready",
        summary="Should it get traffic?",
        responses=answer(Health, "Ready", examples.HEALTH)
        | {503: ResponseSpec(Health, description="Not ready", generate_examples=False)},
    )
    async def ready(
        self, stores: FromDishka[StoreWatch], paid_calls: FromDishka[PaidCalls], clock: FromDishka[Clock]
    ) -> Response[Health]:
        """503 within 5 seconds while a store is down or hangs, and while the process shuts down."""
        unready = paid_calls.closed or any(probe.error for probe in (await stores.probes()).values())
        status = Status.UNHEALTHY if unready else Status.HEALTHY
        return Response(Health(status=status, timestamp=rfc3339(clock.now())), status_code=503 if unready else 200)

    @get(
        "/detailed",
        summary="How is each part?",
        responses=answer(DetailedHealth, "The state of each part", examples.DETAILED_HEALTH),
    )
    async def detailed(
        self,
        request: LabRequest,
        stores: FromDishka[StoreWatch],
        check_model: FromDishka[ModelCheck],
        check_queue: FromDishka[QueueCheck],
        info: FromDishka[ServiceInfo],
        clock: FromDishka[Clock],
    ) -> Response[DetailedHealth]:
        """Asks the stores and the queue now, and the model at most once a minute."""
        language = language_of(request)
        probes, model, queue = await asyncio.gather(stores.probes(), check_model(), check_queue())
        found = {
            name: Finding(unwell=Status.UNHEALTHY, latency_ms=probe.latency_ms, error=probe.error)
            for name, probe in probes.items()
        }
        found |= {"image_model": model, "task_queue": queue}
        components = {name: each.told(language) for name, each in found.items()}
        health = DetailedHealth(
            status=_worst(components),
            timestamp=rfc3339(clock.now()),
            version=info.version,
            environment=info.environment,
            uptime_seconds=round(time.monotonic() - info.started_at, 1),
            components=components,
        )
        return in_language(language, health)


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def _worst(components: dict[str, Component]) -> Status:
    found = {component.status for component in components.values()}
    return next(status for status in (Status.UNHEALTHY, Status.DEGRADED, Status.HEALTHY) if status in found)
