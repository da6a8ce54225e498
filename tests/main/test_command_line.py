"""The commands `check`, `generate` and `reindex`, on a lab of their own in an empty folder."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import Result
from PIL import Image

from nano_banana_lab.main.cli import COMMANDS, cli
from nano_banana_lab.main.settings import Settings

Run = Callable[..., Result]
SECRETS = {"SECRET_KEY": "signing-key-" + "s" * 30, "GOOGLE_API_KEY": "operators-own-key", "IMAGE_MODEL": "sketch"}


def test_check_shows_every_setting_and_finds_all_well(run: Run) -> None:
    result = run("check", PORT="8123")

    assert result.exit_code == 0, result.output
    assert "PORT=8123" in result.stdout
    for field in msgspec.structs.fields(Settings):
        assert f"{field.name.upper()}=" in result.stdout
    for part in ("key_value_store", "blob_store", "image_model"):
        assert f"{part}: ok" in result.stdout
    assert "placeholders" in result.stdout


def test_check_masks_secrets(run: Run) -> None:
    result = run("check", **SECRETS)

    assert "SECRET_KEY=***" in result.stdout
    assert "GOOGLE_API_KEY=***" in result.stdout
    assert not any(secret in result.output for secret in ("signing-key", "operators-own-key"))


def test_check_says_which_part_does_not_work_and_fails(run: Run) -> None:
    result = run("check", REDIS_URL="redis://user:redis-password@127.0.0.1:1/0")

    assert result.exit_code == 1
    assert "key_value_store: FAILED" in result.stdout
    assert "blob_store: ok" in result.stdout
    assert "redis-password" not in result.output


def test_generate_writes_the_picture_and_keeps_it(run: Run, tmp_path: Path) -> None:
    result = run("generate", "a corgi in a teacup", "-o", "corgi.png", "--aspect-ratio", "1:1")

    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "corgi.png") as picture:
        assert picture.size == (1024, 1024)
    assert "corgi.png (1024x1024" in result.stdout
    assert any(b"a corgi in a teacup" in path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert "Kept in the history as " in result.stdout


def test_generate_without_a_name_uses_the_pictures_own(run: Run, tmp_path: Path) -> None:
    result = run("generate", "a corgi")

    (picture,) = tmp_path.glob("*.png")
    assert result.stdout.startswith(picture.name)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((" ",), "prompt: This field must not be empty."),
        (("x" * 2001,), "At most 2000 characters"),
        (("x", "--aspect-ratio", "7:1"), "settings.aspect_ratio"),
    ],
)
def test_generate_ends_in_one_line_when_the_wish_is_wrong(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    result = run("generate", *arguments)

    assert result.exit_code == 1
    assert complaint in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def test_generate_pays_for_nothing_that_it_cannot_write(run: Run, tmp_path: Path) -> None:
    result = run("generate", "a corgi", "-o", "missing/corgi.png")

    assert result.exit_code != 0
    assert "missing" in result.stderr
    assert "Traceback" not in result.output
    assert list((tmp_path / "data").rglob("*.png")) == []


def test_an_unknown_option_value_is_refused(run: Run) -> None:
    result = run("generate", "x", "--resolution", "8K")

    assert result.exit_code == 2
    assert "8K" in result.stderr


def test_reindex_of_nothing_says_so(run: Run) -> None:
    result = run("reindex")

    assert result.exit_code == 0
    assert (
        "0 pictures restored, 0 already there, 0 records without a picture taken out, 0 files with trouble, 0 deletions finished"
        in result.stdout
    )


def test_reindex_brings_a_lost_history_back(run: Run, tmp_path: Path) -> None:
    run("generate", "a corgi")
    for path in (tmp_path / "data").glob("lab.sqlite3*"):
        path.unlink()
    first, second = run("reindex"), run("reindex")

    assert "1 pictures restored, 0 already there" in first.stdout
    assert "0 pictures restored, 1 already there" in second.stdout
    assert (first.exit_code, second.exit_code) == (0, 0)


@pytest.mark.parametrize("command", [("check",), ("reindex",), ("generate", "x"), ("serve",)])
def test_a_misconfigured_lab_does_nothing_and_says_why(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, PORT="abc", DEBUG="maybe", SECRET_KEY="hunter2hunter2", ENVIRONMENT="production")

    assert result.exit_code == 2
    assert all(name in result.stderr for name in ("PORT:", "DEBUG:", "SECRET_KEY:", "GOOGLE_API_KEY:"))
    assert "hunter2" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [name for commands in COMMANDS.values() for name in commands])
def test_a_command_is_called_what_the_list_calls_it(command: str) -> None:
    loaded = cli.get_command(click.Context(cli), command)

    assert loaded is not None
    assert loaded.name == command


def test_ctrl_c_while_a_command_is_loaded_ends_it_as_later(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nano_banana_lab.main.cli.import_module", pressed)
    result = run("check")

    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Interrupted.\n")


def test_an_unknown_command_is_misuse(run: Run) -> None:
    assert run("paint").exit_code == 2


def test_help_loads_neither_the_service_nor_a_client_library() -> None:
    code = "import sys; from nano_banana_lab.main.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"litestar", "dishka", "rich", "PIL", "google.genai", "redis"}.intersection(loaded)


def test_check_as_json_is_one_document(run: Run) -> None:
    well, ill = run("check", "--json", PORT="8123"), run("check", "--json", REDIS_URL="redis://127.0.0.1:1/0")

    assert (well.exit_code, ill.exit_code) == (0, 1)
    assert json.loads(well.stdout)["settings"]["PORT"] == "8123"
    assert json.loads(well.stdout)["works"] is True
    assert json.loads(ill.stdout)["parts"]["key_value_store"]["error"]


def test_help_and_version_need_no_settings(run: Run) -> None:
    for arguments in (("--help",), ("-h",), ("--version",)):
        result = run(*arguments, PORT="abc")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", [name for commands in COMMANDS.values() for name in commands])
def test_help_lists_and_explains_every_command(run: Run, command: str) -> None:
    assert command in run("--help").stdout
    assert len(run(command, "--help").stdout.splitlines()) > 3
