"""Processes as a user starts them: the lab, the stores and something that answers like Gemini.

Starting a lab takes a second of work, so tests that leave it as they find it share one for each way to store;
the others start their own.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import visiting
from tests.e2e.store_setups import EmbeddedStores, ServiceStores, Stores

from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import running_redis
from nano_banana_lab.testing.s3_server import S3Server


@dataclass(frozen=True)
class Deployment:
    lab: LabProcess
    stores: Stores


@pytest.fixture(scope="session")
def gemini() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


@pytest.fixture(scope="session")
def gemini_settings(gemini: GeminiDouble) -> dict[str, str]:
    """The settings that make the lab take the double for Google."""
    return {
        "GOOGLE_API_KEY": "the-key-of-the-operator",
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
        "RETRY_DELAYS": "0.01,0.01,0.01",
        "RATE_LIMIT_ENABLED": "false",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory to start a lab in."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module", params=["embedded", "redis+s3"])
def fresh_stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Empty stores for one module; a test that uses them runs with each way to store."""
    if request.param == "embedded":
        return EmbeddedStores(tmp_path_factory.mktemp("embedded"))
    module = request.module.__name__.rpartition(".")[2].replace("_", "-")
    return ServiceStores(request.getfixturevalue("redis_server"), request.getfixturevalue("s3_server"), module)


@pytest.fixture(scope="session")
def on_embedded_stores(
    tmp_path_factory: pytest.TempPathFactory, gemini_settings: dict[str, str]
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("embedded")
    stores = EmbeddedStores(folder / "data")
    with running_lab(folder, **stores.settings, **gemini_settings) as lab:
        yield Deployment(lab, stores)


@pytest.fixture(scope="session")
def on_redis_and_s3(
    tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, gemini_settings: dict[str, str]
) -> Iterator[Deployment]:
    with running_redis() as redis:
        stores = ServiceStores(redis, s3_server, "of-all-tests")
        with running_lab(tmp_path_factory.mktemp("services"), **stores.settings, **gemini_settings) as lab:
            yield Deployment(lab, stores)


@pytest.fixture(params=["on_embedded_stores", "on_redis_and_s3"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """A test that uses it, or the three below, runs with each way to store."""
    found: Deployment = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def lab(deployment: Deployment) -> LabProcess:
    return deployment.lab


@pytest.fixture
def stores(deployment: Deployment) -> Stores:
    return deployment.stores


@pytest.fixture
async def client(lab: LabProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(lab) as visitor:
        yield visitor
