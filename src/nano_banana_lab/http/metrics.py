"""Numbers for Prometheus, one registry for each application."""

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nano_banana_lab.http.openapi import OPEN

DURATION_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
"""In seconds; a picture takes 20 to 150."""


class RequestMetrics:
    """Requests by method, route template and status; unknown paths share one label, so nobody can inflate them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self.in_progress = Gauge("nbl_requests_in_progress", "Requests being answered", registry=registry)
        self._requests = Counter("nbl_requests_total", "Requests answered", labels, registry=registry)
        self._duration = Histogram(
            "nbl_request_duration_seconds",
            "Time to answer a request",
            labels[:2],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One more answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)


class MetricsController(Controller):
    """For Prometheus."""

    path = "/metrics"
    tags = ("Operation",)
    security = OPEN

    @get(summary="Metrics in the Prometheus text format", media_type="text/plain")
    async def metrics(self, registry: FromDishka[CollectorRegistry]) -> Response[bytes]:
        """Open without a token; keep it from the public at the proxy."""
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
