"""What only the HTTP side needs."""

from importlib.metadata import version

from dishka import Provider, Scope, provide, provide_all
from prometheus_client import CollectorRegistry

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.http.auth import SignInInfo
from nano_banana_lab.http.batch import BatchLimit
from nano_banana_lab.http.chat_bodies import ChatView
from nano_banana_lab.http.cursor import Cursors
from nano_banana_lab.http.deliver import Deliver
from nano_banana_lab.http.health import ModelCheck, QueueCheck, ServiceInfo
from nano_banana_lab.http.history import HistoryView
from nano_banana_lab.http.idempotent_outcomes import IdempotentOutcomes
from nano_banana_lab.http.metrics import QueueMetrics, RequestMetrics
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.rate_limit import RateLimit
from nano_banana_lab.http.task_bodies import TaskView
from nano_banana_lab.http.task_events import TaskEvents
from nano_banana_lab.main.secret_key import SigningKey
from nano_banana_lab.main.setting_warnings import SKETCH_NOTICE
from nano_banana_lab.main.settings import Settings


class Web(Provider):
    """What answers are made of besides pictures."""

    scope = Scope.APP

    @provide
    def cursors(self, key: SigningKey) -> Cursors:
        return Cursors(key)

    @provide
    def sign_in_info(self, settings: Settings) -> SignInInfo:
        return SignInInfo(
            auth_enabled=settings.auth_enabled,
            trial_enabled=settings.trial_enabled,
            providers=("github",) if settings.uses_github else (),
        )

    @provide
    def info(self, settings: Settings) -> ServiceInfo:
        return ServiceInfo(
            version=version("nano-banana-lab"),
            environment=settings.environment,
            model_notice=SKETCH_NOTICE if settings.uses_sketch else None,
        )

    @provide
    def idempotent_outcomes(
        self, key_values: KeyValueStore, paid_calls: PaidCalls, settings: Settings
    ) -> IdempotentOutcomes:
        return IdempotentOutcomes(
            key_values=key_values, paid_calls=paid_calls, ttl_seconds=settings.idempotency_ttl_seconds
        )

    @provide
    def rate_limit(self, key_values: KeyValueStore, clock: Clock, settings: Settings) -> RateLimit:
        requests, window_seconds = settings.rate_limit_requests, settings.rate_limit_window
        return RateLimit(key_values, clock, requests=requests, window_seconds=window_seconds)

    @provide
    def registry(self) -> CollectorRegistry:
        return CollectorRegistry()

    @provide
    def batch_limit(self, settings: Settings) -> BatchLimit:
        return BatchLimit(most=settings.batch_max_prompts)

    views = provide_all(
        PictureUrls,
        HistoryView,
        ChatView,
        TaskView,
        TaskEvents,
        Deliver,
        ModelCheck,
        QueueCheck,
        RequestMetrics,
        QueueMetrics,
    )
