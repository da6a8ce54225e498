"""What the tests of signing in with GitHub share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.adapters.github_steps import provider_at

from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider
from nano_banana_lab.testing.github import GitHubDouble, running_github
from nano_banana_lab.testing.github.accounts import OCTOCAT


@pytest.fixture(scope="module")
def running_double() -> Iterator[GitHubDouble]:
    with running_github() as double:
        yield double


@pytest.fixture
def github(running_double: GitHubDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GitHubDouble:
    """The stand-in for GitHub, as if it had just been started.

    Nothing is encrypted there, and loading the authorities of this machine would take each test a tenth of a second.
    """
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    running_double.clear()
    running_double.sign_in(OCTOCAT)
    return running_double


@pytest.fixture
async def provider(github: GitHubDouble) -> AsyncIterator[GitHubIdentityProvider]:
    provider = provider_at(github)
    yield provider
    await provider.aclose()
