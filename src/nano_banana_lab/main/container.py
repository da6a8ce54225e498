"""The composition root: which adapter stands behind each port, and how the use cases are put together.

Adapters are imported where they are chosen, so that a lab loads only what it uses and starts fast.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from dishka import AsyncContainer, Provider, Scope, from_context, make_async_container, provide, provide_all
from prometheus_client import CollectorRegistry

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.recall import Recall
from nano_banana_lab.core.chat.send_message import SendMessage
from nano_banana_lab.core.generation.admission import LOADING_AT_ONCE, Admission, LoadingRoom
from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.input_pictures import LoadPictures
from nano_banana_lab.core.generation.make_picture import MakePicture
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.generation.ports import ImageModel
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.ports import PictureTools
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.history.statistics import Statistics
from nano_banana_lab.core.history.thumbnail import Thumbnail
from nano_banana_lab.core.history.upload_picture import UploadPicture
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner, SignedInOwner, SingleOwner
from nano_banana_lab.core.identity.ports import IdentityProvider, KeySealer, TokenIssuer
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.sessions import Sessions
from nano_banana_lab.core.identity.sign_in import BeginSignIn, FinishSignIn
from nano_banana_lab.core.prompts.library import Library
from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptWriter, StarterLibrary
from nano_banana_lab.core.prompts.write_prompts import WritePrompts
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reset_quota import ResetQuota
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.clock import Clock, SystemClock
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.begin_item import BeginItem
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.core.tasks.keep_moving import KeepTasksMoving
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.ports import EventBus, TaskQueue
from nano_banana_lab.core.tasks.retry_task import RetryTask
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.set_waiting import SetWaiting
from nano_banana_lab.core.tasks.submit_task import SubmitTask
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.turns import Turns
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
from nano_banana_lab.main.quota_policy import quota_policy
from nano_banana_lab.main.secret_key import secret_key
from nano_banana_lab.main.setting_warnings import SKETCH_NOTICE
from nano_banana_lab.main.settings import Settings

if TYPE_CHECKING:
    from nano_banana_lab.adapters.gemini.connection import GeminiConnection


@dataclass(frozen=True)
class Gemini:
    """The way to Gemini, opened when somebody first asks."""

    connection: "GeminiConnection"


class Stores(Provider):
    """Redis and an S3 bucket when they are configured, else files under `DATA_DIR`."""

    scope = Scope.APP

    @provide
    async def key_value_store(self, settings: Settings) -> AsyncIterator[KeyValueStore]:
        if settings.redis_url is not None:
            from nano_banana_lab.adapters.redis.connection import connect
            from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore

            client = connect(settings.redis_url.reveal())
            yield RedisKeyValueStore(client)
            await client.aclose()
        else:
            from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore

            with contextlib.suppress(OSError):  # the store itself says that it cannot be used, and goes on trying
                settings.data_dir.mkdir(parents=True, exist_ok=True)
            store = SqliteKeyValueStore(settings.data_dir / "lab.sqlite3")
            yield store
            await store.aclose()

    @provide
    async def blob_store(self, settings: Settings) -> AsyncIterator[BlobStore]:
        if settings.r2_enabled:
            from nano_banana_lab.adapters.s3.blob_store import S3BlobStore

            assert settings.r2_access_key_id is not None  # a rule of the settings
            assert settings.r2_secret_access_key is not None  # likewise
            store = S3BlobStore(
                endpoint_url=settings.r2_endpoint,
                region="auto",
                bucket=settings.r2_bucket_name,
                access_key_id=settings.r2_access_key_id,
                secret_access_key=settings.r2_secret_access_key.reveal(),
                public_base_url=settings.r2_public_url,
            )
            yield store
            await store.aclose()
        else:
            from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore

            yield FilesystemBlobStore(settings.data_dir / "pictures")

    store_watch = provide(StoreWatch)


class Models(Provider):
    """Gemini with the operator's key, else the sketch; a caller's own key always means Gemini."""

    scope = Scope.APP

    @provide
    async def gemini(self, settings: Settings) -> AsyncIterator[Gemini]:
        """One client and its connections for all of its models."""
        from nano_banana_lab.adapters.gemini.connection import GeminiConnection

        connection = GeminiConnection(base_url=settings.google_gemini_base_url, api_version=settings.gemini_api_version)
        yield Gemini(connection)
        await connection.aclose()

    @provide
    def models(self, settings: Settings, gemini: Gemini) -> ImageModels:
        keyed = _gemini_image_model(settings, gemini.connection)
        return ImageModels(default=_sketch() if settings.uses_sketch else keyed, keyed=keyed)

    @provide
    def prompt_writer(self, settings: Settings, gemini: Gemini) -> PromptWriter:
        from nano_banana_lab.adapters.gemini.prompt_writer import GeminiPromptWriter

        return GeminiPromptWriter(
            api_key=None if settings.uses_sketch else _operators_key(settings),
            model_id=settings.text_model_id,
            retry_delays=settings.retry_delays,
            connection=gemini.connection,
        )

    @provide
    def picture_tools(self) -> PictureTools:
        from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools

        return PillowPictureTools()

    @provide
    def loading_room(self, settings: Settings) -> LoadingRoom:
        return LoadingRoom(concurrent=LOADING_AT_ONCE, waiting=settings.max_waiting_generations)

    @provide
    def admission(self, settings: Settings) -> Admission:
        return Admission(concurrent=settings.max_concurrent_generations, waiting=settings.max_waiting_generations)


class Tasks(Provider):
    """Docket on Redis when it is configured, else on its stand-in for Redis in this process's memory."""

    scope = Scope.APP

    @provide
    async def task_queue(self, settings: Settings) -> AsyncIterator[TaskQueue]:
        from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue

        url = settings.redis_url.reveal() if settings.redis_url else f"memory://{new_id()}"
        queue = DocketTaskQueue(url)
        yield queue
        await queue.aclose()

    @provide
    async def event_bus(self, settings: Settings, clock: Clock) -> AsyncIterator[EventBus]:
        if settings.redis_url is None:
            from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus

            yield MemoryEventBus(clock)
            return
        from nano_banana_lab.adapters.redis.connection import connect
        from nano_banana_lab.adapters.redis.event_bus import RedisEventBus

        client = connect(settings.redis_url.reveal())
        bus = RedisEventBus(client)
        yield bus
        await bus.aclose()
        await client.aclose()

    @provide
    def key_sealer(self, settings: Settings) -> KeySealer:
        from nano_banana_lab.adapters.cryptography.key_sealer import AesKeySealer

        return AesKeySealer(secret_key(settings.secret_key, settings.data_dir))

    @provide
    def task_book(self, settings: Settings, key_values: KeyValueStore, clock: Clock) -> TaskBook:
        return TaskBook(key_values=key_values, clock=clock, ttl_seconds=settings.task_ttl_seconds)

    use_cases = provide_all(
        Announce, HoldPictures, LineUp, SetWaiting, SubmitTask, RunItem, CancelTask, RetryTask, KeepTasksMoving
    )
    taking_turns = provide_all(Turns, BeginItem)


class Prompts(Provider):
    """The library: what ships with the lab, what users keep and what is written for them."""

    scope = Scope.APP

    @provide
    def starter_library(self) -> StarterLibrary:
        from nano_banana_lab.adapters.toml.starter_library import TomlStarterLibrary

        return TomlStarterLibrary()

    use_cases = provide_all(Library, OwnPrompts, WritePrompts)


class Identity(Provider):
    """GitHub when it is configured and sign-in is on; tokens are ours in any case."""

    scope = Scope.APP

    @provide
    async def identity_provider(self, settings: Settings) -> AsyncIterator[IdentityProvider | None]:
        if not settings.uses_github:
            yield None
            return
        from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider

        assert settings.github_client_id is not None  # else GitHub is not used
        assert settings.github_client_secret is not None  # likewise
        github = GitHubIdentityProvider(
            settings.github_client_id,
            settings.github_client_secret,
            url=settings.github_url,
            api_url=settings.github_api_url,
        )
        yield github
        await github.aclose()

    @provide
    def token_issuer(self, settings: Settings, clock: Clock) -> TokenIssuer:
        from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer

        secret = secret_key(settings.secret_key, settings.data_dir)
        return JwtTokenIssuer(secret, clock=clock, lifetime=timedelta(days=settings.jwt_expire_days))

    @provide
    def redirects(self, settings: Settings) -> RedirectAllowlist:
        default = settings.github_redirect_uri
        return RedirectAllowlist((*(settings.redirect_allowlist or ()), *([default] if default else [])))

    @provide
    def begin_sign_in(
        self,
        provider: IdentityProvider | None,
        key_values: KeyValueStore,
        clock: Clock,
        redirects: RedirectAllowlist,
        settings: Settings,
    ) -> BeginSignIn:
        return BeginSignIn(
            provider=provider,
            key_values=key_values,
            clock=clock,
            secret=secret_key(settings.secret_key, settings.data_dir),
            redirects=redirects,
            default_redirect_uri=settings.github_redirect_uri,
        )

    @provide
    def finish_sign_in(
        self, provider: IdentityProvider | None, key_values: KeyValueStore, clock: Clock, settings: Settings
    ) -> FinishSignIn:
        secret = secret_key(settings.secret_key, settings.data_dir)
        return FinishSignIn(provider=provider, key_values=key_values, clock=clock, secret=secret)

    @provide
    def sessions(self, settings: Settings, tokens: TokenIssuer, key_values: KeyValueStore, clock: Clock) -> Sessions:
        return Sessions(
            tokens=tokens,
            key_values=key_values,
            clock=clock,
            enabled=settings.auth_enabled,
            guests=settings.trial_enabled,
        )


class UseCases(Provider):
    """Everything the lab can do, made of the ports above."""

    scope = Scope.APP

    settings = from_context(Settings)
    clock = provide(SystemClock, provides=Clock)
    generation = provide_all(PaidCalls, MakePicture, LoadPictures, CarryOut)
    chat = provide_all(Recall, SendMessage)
    quota = provide_all(ReadUsage, Ledger, ResetQuota)
    history = provide_all(KeepPicture, UploadPicture, FindPictures, Statistics, Thumbnail, DeletePictures, Reindex)

    @provide
    def chat_sessions(
        self, settings: Settings, key_values: KeyValueStore, blobs: BlobStore, clock: Clock
    ) -> ChatSessions:
        return ChatSessions(
            key_values=key_values, blobs=blobs, clock=clock, ttl_seconds=settings.chat_session_ttl_seconds
        )

    @provide
    def trial(self, ledger: Ledger) -> Trial:
        return Trial(ledger=ledger)

    @provide
    def quota_policy(self, settings: Settings) -> QuotaPolicy:
        return quota_policy(settings)


class Web(Provider):
    """What only the HTTP side needs."""

    scope = Scope.APP

    @provide
    def cursors(self, settings: Settings) -> Cursors:
        return Cursors(secret_key(settings.secret_key, settings.data_dir))

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


def make_container(settings: Settings, *overrides: Provider) -> AsyncContainer:
    """The wiring for these settings; `overrides` replace single ports, for tests and for adapters of your own."""
    providers = (Stores(), Models(), Tasks(), Prompts(), Identity(), _owners(settings), UseCases(), Web())
    return make_async_container(*providers, *overrides, context={Settings: settings})


def _owners(settings: Settings) -> Provider:
    """A lab without sign-in needs no tokens, so it does not make what reads them either."""
    provider = Provider(scope=Scope.APP)
    provider.provide(SignedInOwner if settings.auth_enabled else SingleOwner, provides=IdentifyOwner)
    return provider


def _sketch() -> ImageModel:
    from nano_banana_lab.adapters.sketch.image_model import SketchImageModel

    return SketchImageModel()


def _gemini_image_model(settings: Settings, connection: "GeminiConnection") -> ImageModel:
    from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel

    seconds = settings.generation_timeout_seconds
    by_resolution = dict(zip(Resolution, seconds if len(seconds) == 3 else seconds * 3, strict=True))
    return GeminiImageModel(
        api_key=_operators_key(settings),
        model_id=settings.image_model_id,
        retry_delays=settings.retry_delays,
        timeouts=by_resolution,
        models_file=settings.image_models_file,
        connection=connection,
    )


def _operators_key(settings: Settings) -> ApiKey | None:
    return ApiKey(settings.google_api_key.reveal()) if settings.google_api_key else None
