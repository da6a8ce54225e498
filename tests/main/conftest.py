"""The command line in this process, with settings of its own and an empty working directory."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from nano_banana_lab.main.cli import cli
from nano_banana_lab.main.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty working directory, with these settings and no others; `typed` is its standard input."""
    for field in msgspec.structs.fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, typed="", **settings: _invoked(arguments, typed, settings)


def _invoked(arguments: tuple[str, ...], typed: str, settings: dict[str, str]) -> Result:
    """A command replaces and closes whatever listens to the log, so those of pytest step aside meanwhile."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        return CliRunner().invoke(cli, [*arguments], input=typed, env=settings)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
