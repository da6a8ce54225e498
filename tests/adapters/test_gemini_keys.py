"""Whose key pays, and that nothing around the process can change where a key goes."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from nano_banana_lab.adapters.gemini.image_model import GeminiImageModel
from nano_banana_lab.core.generation.image_request import ImageRequest
from nano_banana_lab.core.generation.ports import InvalidApiKey, NoApiKey
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.gemini.requests import fingerprint


@pytest.fixture(scope="module")
def double() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


@pytest.fixture
async def model(double: GeminiDouble) -> AsyncIterator[GeminiImageModel]:
    double.clear()
    model = GeminiImageModel(api_key=ApiKey(" operator\n"), model_id="gemini-3-pro-image", base_url=double.url)
    yield model
    await model.aclose()


@pytest.fixture
async def keyless(double: GeminiDouble) -> AsyncIterator[GeminiImageModel]:
    double.clear()
    model = GeminiImageModel(api_key=None, model_id="gemini-3-pro-image", base_url=double.url)
    yield model
    await model.aclose()


def payers(double: GeminiDouble) -> dict[str, str | None]:
    return {seen.prompt: seen.key_sha256 for seen in double.requests}


async def test_the_operators_key_pays_unless_the_caller_brings_one(model, double):
    await model.generate(ImageRequest.from_prompt("mine"))
    await model.generate(ImageRequest.from_prompt("yours", api_key=ApiKey("caller")))
    await model.generate(ImageRequest.from_prompt("mine again"))

    operator = fingerprint("operator")
    assert {"mine": operator, "yours": fingerprint("caller"), "mine again": operator} == payers(double)


async def test_without_any_key_nothing_is_sent(keyless, double):
    with pytest.raises(NoApiKey):
        await keyless.generate(ImageRequest.from_prompt("a cat"))
    with pytest.raises(NoApiKey):
        await keyless.check()

    assert double.requests == []


async def test_a_lab_without_a_key_of_its_own_sends_the_callers_and_no_other(keyless, double):
    await keyless.generate(ImageRequest.from_prompt("a cat", api_key=ApiKey("caller")))

    assert {"a cat": fingerprint("caller")} == payers(double)


async def test_fifty_callers_at_once_each_pay_for_their_own_picture(keyless, double):
    requests = [ImageRequest.from_prompt(f"picture {n}", api_key=ApiKey(f"key-{n}")) for n in range(50)]
    pictures = await asyncio.gather(*map(keyless.generate, requests))

    assert {f"picture {n}": fingerprint(f"key-{n}") for n in range(50)} == payers(double)
    assert len({picture.data for picture in pictures}) == 50


@pytest.mark.parametrize("key", ["invalid", "leaked", "kéy", "a\nb"])
async def test_a_key_google_would_not_take_is_an_invalid_key(model, key):
    with pytest.raises(InvalidApiKey):
        await model.generate(ImageRequest.from_prompt("a cat", api_key=ApiKey(key)))


async def test_a_stray_environment_changes_nothing(double, monkeypatch, tmp_path):
    with running_gemini() as elsewhere:
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.setenv(name, "stray")
        for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_API_USE_CLIENT_CERTIFICATE"):
            monkeypatch.setenv(name, "true")
        for name in ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
            monkeypatch.setenv(name.lower(), elsewhere.url)
        monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v1")
        monkeypatch.setenv("GOOGLE_GENAI_HTTP_CLIENT", "httpx")
        monkeypatch.setenv("GOOGLE_GENAI_CLIENT_MODE", "replay")
        monkeypatch.setenv("GOOGLE_GENAI_REPLAYS_DIRECTORY", str(tmp_path))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "stray-project")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
        double.clear()
        model = GeminiImageModel(api_key=ApiKey("operator"), model_id="gemini-3-pro-image", base_url=double.url)
        await model.generate(ImageRequest.from_prompt("a cat"))
        await model.check()
        await model.aclose()

        assert elsewhere.requests == []
        assert {fingerprint("operator")} == {seen.key_sha256 for seen in double.requests}
        assert {"v1beta"} == {seen.path.split("/")[1] for seen in double.requests}


async def test_a_base_url_may_have_a_path(double):
    double.clear()
    model = GeminiImageModel(
        api_key=ApiKey("k"), model_id="gemini-3-pro-image", base_url=f"{double.url}/gateway/", api_version="v1"
    )
    await model.generate(ImageRequest.from_prompt("a cat"))
    await model.aclose()

    assert double.requests[-1].path == "/gateway/v1/models/gemini-3-pro-image:generateContent"


async def test_callers_who_come_first_together_share_one_client(model, double):
    await asyncio.gather(*(model.generate(ImageRequest.from_prompt(f"{n}")) for n in range(5)))
    before = model._connection._client
    await asyncio.gather(model.warm_up(), model.warm_up())

    assert before is model._connection._client


async def test_closing_leaves_no_connection_open(double):
    model = GeminiImageModel(api_key=ApiKey("k"), model_id="gemini-3-pro-image", base_url=double.url)
    await asyncio.gather(*(model.generate(ImageRequest.from_prompt(f"{n}")) for n in range(5)))
    await model.aclose()
    await double.until(lambda _: double.open_connections == 0)

    assert model._connection._client is None


async def test_a_closed_model_opens_again_when_it_is_needed(model):
    await model.aclose()

    assert (await model.generate(ImageRequest.from_prompt("a cat"))).mime_type == "image/jpeg"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("nano_banana_lab.adapters.gemini.image_model", ("google.genai", "httpx2")),
        ("nano_banana_lab.testing.gemini", ("uvicorn", "PIL", "google.genai")),
    ],
)
def test_importing_does_not_import_what_is_slow(module, absent):
    code = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"
