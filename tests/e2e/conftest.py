"""Processes as a user starts them: the lab, the stores and something that answers like Gemini."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.asking import visiting
from tests.e2e.store_setups import EmbeddedStores, ServiceStores, Stores

from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.lab_process import LabProcess, running_lab


@pytest.fixture(scope="module")
def gemini() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStores:
    return EmbeddedStores(tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="module", params=["embedded", "redis+s3"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """A test that uses these runs with each."""
    if request.param == "embedded":
        embedded: EmbeddedStores = request.getfixturevalue("embedded")
        return embedded
    module = request.module.__name__.rpartition(".")[2].replace("_", "-")
    return ServiceStores(request.getfixturevalue("redis_server"), request.getfixturevalue("s3_server"), module)


@pytest.fixture(scope="module")
def gemini_settings(gemini: GeminiDouble) -> dict[str, str]:
    """The settings that make the lab take the double for Google."""
    return {
        "GOOGLE_API_KEY": "the-key-of-the-operator",
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
        "RETRY_DELAYS": "0.01,0.01,0.01",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory to start the lab in."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder: Path, stores: Stores, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    with running_lab(folder, **stores.settings, **gemini_settings) as process:
        yield process


@pytest.fixture
async def client(lab: LabProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(lab) as visitor:
        yield visitor
