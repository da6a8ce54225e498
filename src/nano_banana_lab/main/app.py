"""The application: every route, wired to the adapters that the settings choose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from dishka import AsyncContainer, Provider
from dishka.integrations.litestar import DishkaRouter
from litestar import Controller, Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner
from nano_banana_lab.http.access_tokens import AccessTokensController
from nano_banana_lab.http.allowed_methods import AllowedMethods
from nano_banana_lab.http.auth import AuthController
from nano_banana_lab.http.batch import BatchController
from nano_banana_lab.http.blend import BlendController
from nano_banana_lab.http.caller import CALLER, provide_caller
from nano_banana_lab.http.chat import ChatController
from nano_banana_lab.http.envelope import Envelope
from nano_banana_lab.http.errors import EXCEPTION_HANDLERS
from nano_banana_lab.http.gate import Gate
from nano_banana_lab.http.generate import GenerateController
from nano_banana_lab.http.health import HealthController, LivenessController, ServiceInfo
from nano_banana_lab.http.history import HistoryController
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.metrics import MetricsController
from nano_banana_lab.http.openapi import openapi_config
from nano_banana_lab.http.picture_files import PictureFilesController
from nano_banana_lab.http.prompt_writing import PromptWritingController
from nano_banana_lab.http.prompts import PromptsController
from nano_banana_lab.http.quota import QuotaController
from nano_banana_lab.http.root import RootController, docs_assets
from nano_banana_lab.http.search import SearchController
from nano_banana_lab.http.style import StyleController
from nano_banana_lab.http.task_events import TaskEventsController
from nano_banana_lab.http.task_pictures import TaskPicturesController
from nano_banana_lab.http.tasks import TasksController
from nano_banana_lab.http.uploads import UploadsController
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.setting_warnings import log_warnings
from nano_banana_lab.main.settings import Settings
from nano_banana_lab.main.work import busy

SECONDS_TO_BE_ASKED = 1.0
"""How long a lab waits for its first request before it loads what it needs for more than answers.

The clients for Gemini and for the task queue take a second to load, in which it could hardly say that it is ready.
"""

EXPOSED_HEADERS = [
    "X-Request-ID",
    "ETag",
    "Location",
    "Retry-After",
    "Idempotency-Replayed",
    "Preference-Applied",
    "Content-Disposition",
    "Content-Range",
    "WWW-Authenticate",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
]
CONTROLLERS = [
    RootController,
    HealthController,
    AuthController,
    AccessTokensController,
    GenerateController,
    SearchController,
    BlendController,
    StyleController,
    UploadsController,
    ChatController,
    BatchController,
    TasksController,
    TaskEventsController,
    TaskPicturesController,
    PromptsController,
    PromptWritingController,
    QuotaController,
    HistoryController,
    PictureFilesController,
    MetricsController,
]


def create_app(settings: Settings, *overrides: Provider) -> Litestar:
    """The whole lab for these settings; `overrides` replace single ports.

    Nothing is opened or imported for a client library before the application starts or the first request needs it.
    """
    container, answered = make_container(settings, *overrides), asyncio.Event()
    app = Litestar(
        route_handlers=[DishkaRouter(path="/", route_handlers=_own(CONTROLLERS)), LivenessController, docs_assets()],
        plugins=[Gate(limiting=settings.rate_limit_enabled, pages=_pages(settings)), AllowedMethods()],
        dependencies={CALLER: Provide(provide_caller)},
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=LabRequest,
        request_max_body_size=settings.max_request_bytes,
        cors_config=_cors(settings),
        openapi_config=openapi_config(version("nano-banana-lab"), sign_in=settings.auth_enabled),
        lifespan=[_lifespan(container, settings, answered)],
        logging_config=None,
        debug=False,
    )
    app.state.default_language = settings.default_language
    app.state.dishka_container = container
    app.asgi_handler = Envelope(app.asgi_handler, container, answered)
    return app


def _own(controllers: Iterable[type[Controller]]) -> list[ControllerRouterHandler]:
    """The controllers, for one application alone: `DishkaRouter` wraps their routes again each time it gets them."""
    return [type(each.__name__, (each,), {"__doc__": each.__doc__}) for each in controllers]


def _pages(settings: Settings) -> tuple[str, ...] | None:
    """The origins whose pages may have something done, None for all: nobody's can where it takes a token."""
    return None if settings.auth_enabled or "*" in settings.allowed_origins else settings.allowed_origins


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.allowed_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.allowed_origins), allow_headers=["*"], expose_headers=EXPOSED_HEADERS, max_age=86400
    )


def _lifespan(
    container: AsyncContainer, settings: Settings, answered: asyncio.Event
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    at_once = settings.max_concurrent_generations if settings.worker_in_process else None

    async def asked() -> None:
        """Somebody has had an answer, or nobody asks."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_BE_ASKED):
                await answered.wait()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        log_warnings(settings)
        async with container:
            await container.get(ServiceInfo)  # its uptime begins now
            # Reading tokens takes a library whose import would hold up the first request.
            await container.get(IdentifyOwner)
            async with busy(container, concurrency=at_once, once=asked):
                try:
                    yield
                finally:
                    paid_calls = await container.get(PaidCalls)
                    paid_calls.close()
                    await paid_calls.finish(settings.shutdown_grace_seconds)

    return lifespan
