"""Numbers for Prometheus, one registry for each application."""

import contextlib

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nano_banana_lab.core.tasks.ports import QueueState, QueueUnavailable, TaskQueue
from nano_banana_lab.http.openapi import OPEN

DURATION_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
"""In seconds; a picture takes 20 to 150."""


class RequestMetrics:
    """Requests by method, route template and status; unknown paths share one label, so nobody can inflate them.

    `in_progress` is how many are being answered now. All in one event loop, so nothing here needs a lock.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self.in_progress = 0
        gauge = Gauge("nbl_requests_in_progress", "Requests being answered", registry=registry)
        gauge.set_function(lambda: self.in_progress)
        self._requests = Counter("nbl_requests_total", "Requests answered", labels, registry=registry)
        self._duration = Histogram(
            "nbl_request_duration_seconds",
            "Time to answer a request",
            labels[:2],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._of_route = dict[tuple[str, str, int], tuple[Counter, Histogram]]()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One more answered request."""
        found = self._of_route.get((method, route, status))
        if found is None:  # looking up labels takes several times as long as counting
            found = self._requests.labels(method, route, str(status)), self._duration.labels(method, route)
            self._of_route[method, route, status] = found
        requests, duration = found
        requests.inc()
        duration.observe(seconds)


class QueueMetrics:
    """How busy the task queue is, asked anew for each reading; -1 while it cannot be asked."""

    def __init__(self, registry: CollectorRegistry, queue: TaskQueue) -> None:
        self._queue = queue
        self._gauges = {
            "waiting": Gauge("nbl_task_queue_waiting", "Items of tasks that wait for a worker", registry=registry),
            "running": Gauge("nbl_task_queue_running", "Items of tasks that are being made", registry=registry),
            "workers": Gauge("nbl_task_queue_workers", "Workers that are alive", registry=registry),
        }

    async def refresh(self) -> None:
        """Within 5 seconds; never fails."""
        state: QueueState | None = None
        with contextlib.suppress(QueueUnavailable):
            state = await self._queue.state()
        for name, gauge in self._gauges.items():
            gauge.set(getattr(state, name) if state else -1)


class MetricsController(Controller):
    """For Prometheus."""

    path = "/metrics"
    tags = ("Operation",)
    security = OPEN

    @get(summary="Metrics in the Prometheus text format", media_type="text/plain")
    async def metrics(
        self, registry: FromDishka[CollectorRegistry], queue_metrics: FromDishka[QueueMetrics]
    ) -> Response[bytes]:
        """Open without a token; keep it from the public at the proxy."""
        await queue_metrics.refresh()
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
