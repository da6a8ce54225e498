"""Is the service alive, is it ready, and what of it is not well?"""

import asyncio
import time
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
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.ports import QueueUnavailable, TaskQueue
from nano_banana_lab.http import examples
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


@dataclass(kw_only=True)
class ServiceInfo:
    """What the service says of itself; `model_notice` is shown where somebody looks for the model's state."""

    version: str
    environment: str
    model_notice: str | None = None
    started_at: float = field(default_factory=time.monotonic)


@dataclass(kw_only=True)
class ModelCheck:
    """Asks the image model at most once a minute whether it can be reached; that costs nothing."""

    models: ImageModels
    info: ServiceInfo
    _component: Component | None = field(default=None, init=False)
    _checked_at: float = field(default=0.0, init=False)
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def __call__(self) -> Component:
        """The model's state, from now or from the last minute."""
        async with self._checking:
            age = time.monotonic() - self._checked_at
            if self._component is None or age > MODEL_CHECK_REMEMBERED_SECONDS:
                self._component = await self._check()
                self._checked_at = time.monotonic()
        return self._component

    async def _check(self) -> Component:
        started, card = time.perf_counter(), self.models.default.card
        details: dict[str, Any] = {"model": card.id, "placeholder": card.placeholder}
        if self.info.model_notice:
            details["notice"] = self.info.model_notice
        error: str | None = None
        try:
            async with asyncio.timeout(MODEL_CHECK_TIMEOUT_SECONDS):
                await self.models.default.check()
        except GenerationError as failure:
            error = str(failure)
        except TimeoutError:
            error = f"no answer within {MODEL_CHECK_TIMEOUT_SECONDS} seconds"
        return Component(
            status=Status.DEGRADED if error else Status.HEALTHY,
            latency_ms=_milliseconds_since(started),
            error=error,
            details=details,
        )


@dataclass(frozen=True, kw_only=True)
class QueueCheck:
    """Asks the task queue how busy it is; without a worker, tasks only wait."""

    queue: TaskQueue

    async def __call__(self) -> Component:
        """The queue's state now, within 5 seconds."""
        started = time.perf_counter()
        try:
            state = await self.queue.state()
        except QueueUnavailable as failure:
            return Component(status=Status.UNHEALTHY, latency_ms=_milliseconds_since(started), error=str(failure))
        error = None if state.workers else "no worker is alive, so tasks only wait"
        return Component(
            status=Status.DEGRADED if error else Status.HEALTHY,
            latency_ms=_milliseconds_since(started),
            error=error,
            details=msgspec.structs.asdict(state),
        )


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

    @get("/live", summary="Is the process alive?", responses=answer(Health, "It is alive", examples.HEALTH))
    async def live(self, clock: FromDishka[Clock]) -> Health:
        """Touches nothing; for liveness probes."""
        return Health(status=Status.HEALTHY, timestamp=rfc3339(clock.now()))

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
        stores: FromDishka[StoreWatch],
        check_model: FromDishka[ModelCheck],
        check_queue: FromDishka[QueueCheck],
        info: FromDishka[ServiceInfo],
        clock: FromDishka[Clock],
    ) -> DetailedHealth:
        """Asks the stores and the queue now, and the model at most once a minute."""
        probes, model, queue = await asyncio.gather(stores.probes(), check_model(), check_queue())
        components = {
            name: Component(
                status=Status.UNHEALTHY if probe.error else Status.HEALTHY,
                latency_ms=probe.latency_ms,
                error=probe.error,
            )
            for name, probe in probes.items()
        }
        components |= {"image_model": model, "task_queue": queue}
        return DetailedHealth(
            status=_worst(components),
            timestamp=rfc3339(clock.now()),
            version=info.version,
            environment=info.environment,
            uptime_seconds=round(time.monotonic() - info.started_at, 1),
            components=components,
        )


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def _worst(components: dict[str, Component]) -> Status:
    found = {component.status for component in components.values()}
    return next(status for status in (Status.UNHEALTHY, Status.DEGRADED, Status.HEALTHY) if status in found)
