"""The command `openapi`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from litestar.testing import TestClient

from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.settings import Settings

Run = Callable[..., Result]


@pytest.mark.parametrize("sign_in", ["false", "true"])
def test_it_prints_the_very_document_that_is_served(run: Run, tmp_path: Path, sign_in: str) -> None:
    result = run("openapi", AUTH_ENABLED=sign_in)
    nothing_was_started = list(tmp_path.iterdir()) == []
    with TestClient(create_app(Settings(auth_enabled=sign_in == "true"))) as client:
        served = client.get("/openapi.json").json()

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == served
    assert nothing_was_started


def test_it_can_be_written_to_a_file(run: Run, tmp_path: Path) -> None:
    result = run("openapi", "-o", "openapi.json")

    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "openapi.json").read_text() == run("openapi").stdout
    assert run("openapi", "-o", "missing/openapi.json").exit_code == 1
