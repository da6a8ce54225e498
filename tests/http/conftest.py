"""The whole application in this process, on memory stores and scripted models, and a client that talks to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope
from litestar import Litestar

from nano_banana_lab.adapters.memory.blob_store import MemoryBlobStore
from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus
from nano_banana_lab.adapters.memory.identity_provider import MemoryIdentityProvider
from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.memory.task_queue import MemoryTaskQueue
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.keys import picture_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner
from nano_banana_lab.core.identity.ports import IdentityProvider
from nano_banana_lab.core.prompts.ports import PromptWriter
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId, new_id
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore
from nano_banana_lab.core.tasks.ports import EventBus, TaskQueue
from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel, striped_png
from nano_banana_lab.testing.scripted_prompt_writer import ScriptedPromptWriter


class OwnerByToken:
    """Whoever a bearer token names; without one, nobody in particular."""

    async def __call__(self, token: str | None) -> Bearer:
        return Bearer(owner=OwnerId(token) if token else ANONYMOUS)


@dataclass(kw_only=True)
class Service:
    """A running application, and what stands behind it."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    key_values: Any = None
    blobs: Any = None
    model: ScriptedImageModel = field(default_factory=ScriptedImageModel)
    keyed: ScriptedImageModel = field(default_factory=ScriptedImageModel)
    identify: IdentifyOwner | None = field(default_factory=OwnerByToken)  # None: as the settings say
    github: MemoryIdentityProvider | None = None  # None: as the settings say
    writer: ScriptedPromptWriter = field(default_factory=ScriptedPromptWriter)
    queue: Any = field(default_factory=MemoryTaskQueue)
    bus: Any = None
    app: Litestar = field(init=False)
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.key_values = self.key_values or MemoryKeyValueStore(self.clock)
        self.blobs = self.blobs or MemoryBlobStore(self.clock)
        self.bus = self.bus or MemoryEventBus(self.clock)

    @property
    def doubles(self) -> Provider:
        """What replaces the ports of the product."""
        provider = Provider(scope=Scope.APP)
        for instance, port in (
            (self.clock, Clock),
            (self.key_values, KeyValueStore),
            (self.blobs, BlobStore),
            (ImageModels(default=self.model, keyed=self.keyed), ImageModels),
            (self.writer, PromptWriter),
            (self.queue, TaskQueue),
            (self.bus, EventBus),
            (self.identify, IdentifyOwner),
            (self.github, IdentityProvider | None),
        ):
            if instance is not None:
                provider.provide(_given(instance), provides=port, override=True)
        return provider

    @property
    async def paid_calls(self) -> PaidCalls:
        return await self.app.state.dishka_container.get(PaidCalls)

    async def generated(self, prompt: str = "a corgi", *, owner: str | None = None, **body: Any) -> dict[str, Any]:
        """A picture made through the API, a second after the one before."""
        self.clock.advance(1)
        headers = {"Authorization": f"Bearer {owner}"} if owner else {}
        response = await self.client.post("/api/generate", json={"prompt": prompt, **body}, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    async def kept(self, prompt: str = "a corgi", **facts: Any) -> Picture:
        """A small picture put straight into the history, for those that no route makes yet."""
        self.clock.advance(1)
        new, now = new_id(), self.clock.now()
        data = striped_png(8, 8, note=new)
        usual = {"mode": Mode.BASIC, "aspect_ratio": "1:1", "resolution": "1K", "duration": 1.5, "cost_usd": 0.1}
        picture = Picture(
            id=new,
            owner=facts.pop("owner", ANONYMOUS),
            key=picture_key(ANONYMOUS, now, new, "image/png"),
            prompt=prompt,
            created_at=now,
            mime_type="image/png",
            width=8,
            height=8,
            size_bytes=len(data),
            sha256="0" * 64,
            model="scripted",
            **(usual | facts),
        )
        await KeepPicture(blobs=self.blobs, key_values=self.key_values)(picture, data)
        return picture


def _given(instance: Any) -> Callable[[], Any]:
    return lambda: instance


OpenService = Callable[..., AbstractAsyncContextManager[Service]]


def _service(options: dict[str, Any]) -> Service:
    """Upper-case options are settings of the application, the others replace what stands behind it."""
    environ = {"SECRET_KEY": "k" * 48, "IMAGE_MODEL": "sketch", "RATE_LIMIT_ENABLED": "false"}
    environ |= {name: options.pop(name) for name in list(options) if name.isupper()}
    service = Service(**options)
    service.app = create_app(read_settings(environ), service.doubles)
    return service


@pytest.fixture(scope="session", autouse=True)
def eager_start() -> Iterator[None]:
    """Nothing waits for a first answer: there is nothing to load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nano_banana_lab.main.app.SECONDS_TO_BE_ASKED", 0)
        yield


@pytest.fixture(scope="session")
def open_service() -> OpenService:
    """Opens an application."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Service]:
        service = _service(options)
        async with _started(service.app), _client_of(service.app) as service.client:
            yield service

    return opened


@asynccontextmanager
async def _started(app: Litestar) -> AsyncIterator[None]:
    """Start-up and shutdown in one task, as a server does it; a fixture's two halves run in different ones."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        try:
            async with app.lifespan():
                begun.set()
                await over.wait()
        finally:
            begun.set()

    life = asyncio.create_task(live())
    await begun.wait()
    try:
        yield
    finally:
        over.set()
        await life


def _client_of(app: Litestar) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://lab.test")


@pytest.fixture
async def service(open_service: OpenService) -> AsyncIterator[Service]:
    async with open_service() as running:
        yield running


@pytest.fixture
def client(service: Service) -> httpx.AsyncClient:
    return service.client


@pytest.fixture(scope="session")
def refusing_app() -> Litestar:
    """One application for all requests that are refused and so change nothing."""
    return _service({"MAX_REQUEST_BYTES": "5000"}).app


@pytest.fixture
async def refusing(refusing_app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client for requests that are refused; it is quick, because they all share one application."""
    async with _client_of(refusing_app) as client:
        yield client


@pytest.fixture(scope="session")
def is_problem() -> Callable[..., dict[str, Any]]:
    """Checks that a response is the documented error object, and returns it."""

    def check(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert set(problem) == {
            "type", "title", "status", "detail", "instance", "code", "request_id", "success", "error",
        }  # fmt: skip
        assert (problem["code"], problem["status"], problem["success"]) == (code, status, False)
        assert problem["error"]["code"] == code
        assert problem["error"]["message"] == problem["detail"] != ""
        assert problem["request_id"] == response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        return problem

    return check


@pytest.fixture(scope="session")
def wrong_fields(is_problem: Any) -> Callable[[httpx.Response], list[tuple[str, str]]]:
    """Checks that a response is a validation error, and returns the fields it names with the kind of each."""

    def check(response: httpx.Response) -> list[tuple[str, str]]:
        problem = is_problem(response, 422, "validation_error")
        errors = problem["error"]["details"]["errors"]
        assert all(set(error) == {"field", "message", "type"} and error["message"] for error in errors)
        return [(error["field"], error["type"]) for error in errors]

    return check
