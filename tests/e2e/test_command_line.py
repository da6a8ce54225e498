"""The commands beside `serve`, as typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.asking import picture_sent
from tests.e2e.store_setups import EmbeddedStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import run_lab_command

KEY = "the-key-that-nobody-may-read"


def test_check_names_every_part_that_works_and_hides_secrets(tmp_path: Path, gemini_settings: dict[str, str]) -> None:
    outcome = run_lab_command("check", folder=tmp_path, **gemini_settings | {"GOOGLE_API_KEY": KEY})

    assert outcome.returncode == 0, outcome.stderr
    assert {"GOOGLE_API_KEY=***", "DATA_DIR=data", "RETRY_DELAYS=0.01,0.01,0.01"} <= set(outcome.stdout.splitlines())
    for part in ("key_value_store", "blob_store", "image_model"):
        assert f"\n{part}: ok (" in outcome.stdout
    assert KEY not in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"REDIS_URL": "redis://:hush-hush@127.0.0.1:9/0"}, "key_value_store"),
        ({"GOOGLE_API_KEY": "invalid"}, "image_model"),
    ],
    ids=["no redis", "bad key"],
)
def test_check_fails_and_says_which_part_does_not_work(
    tmp_path: Path, gemini_settings: dict[str, str], wrong: dict[str, str], part: str
) -> None:
    outcome = run_lab_command("check", folder=tmp_path, **gemini_settings | wrong)

    assert outcome.returncode == 1
    assert f"\n{part}: FAILED - " in outcome.stdout
    assert "hush-hush" not in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


async def test_generate_writes_the_very_bytes_that_it_keeps(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    outcome = run_lab_command("generate", "a sleeping fox", "-o", "fox.jpg", folder=tmp_path, **gemini_settings)
    written = (tmp_path / "fox.jpg").read_bytes()
    kept = {key: content for key, content in EmbeddedStores(tmp_path / "data").blobs().items() if key.endswith(".jpg")}

    assert outcome.returncode == 0, outcome.stderr
    assert [written] == list(kept.values())
    assert await picture_sent(gemini, "a sleeping fox") == written
    assert "fox.jpg (1376x768" in outcome.stdout


def test_generate_without_a_file_name_uses_the_pictures_own(tmp_path: Path) -> None:
    outcome = run_lab_command("generate", "a sketch of a fox", folder=tmp_path)
    (written,) = tmp_path.glob("*.png")
    (kept,) = (key for key in EmbeddedStores(tmp_path / "data").blobs() if key.endswith(".png"))

    assert outcome.returncode == 0, outcome.stderr
    assert kept.endswith(f"/{written.name}")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a fight [[blocked]]"], "content_blocked: "),
        (["too wide", "--aspect-ratio", "100:1"], "validation_error: "),
    ],
    ids=["blocked", "ratio"],
)
def test_a_failure_ends_in_one_line_for_people(
    tmp_path: Path, gemini_settings: dict[str, str], arguments: list[str], line: str
) -> None:
    outcome = run_lab_command("generate", *arguments, "-o", "x.jpg", folder=tmp_path, **gemini_settings)

    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in outcome.stderr
    assert outcome.stdout == ""
    assert not (tmp_path / "x.jpg").exists()


def test_generate_finds_out_before_paying_that_it_cannot_write(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    gemini.clear()
    outcome = run_lab_command("generate", "wasted?", "-o", "no/such/folder/x.jpg", folder=tmp_path, **gemini_settings)

    assert outcome.returncode != 0
    assert "no/such/folder" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert gemini.requests == []


@pytest.mark.parametrize("arguments", [("prompts", "categories"), ("chat",), ("generate", "a fox", "-o", "fox.png")])
def test_closed_streams_are_empty_and_swallow_what_is_written(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).with_name("nano-banana-lab")), *arguments]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    outcome = subprocess.run(closing, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, check=False)

    assert outcome.returncode == 0
    assert (tmp_path / "fox.png").exists() == ("fox.png" in arguments)


def test_what_nobody_reads_on_is_given_up_without_a_word(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("nano-banana-lab")), "prompts", "list", "--limit", "200"]
    reading, writing = os.pipe()
    os.close(reading)
    outcome = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)

    assert (outcome.returncode, outcome.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "arguments",
    [("openapi",), ("prompts", "list"), ("generate", "a fox", "-o", "-"), ("generate", "a fox", "-o", "/dev/full")],
    ids=" ".join,
)
def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [str(Path(sys.executable).with_name("nano-banana-lab")), *arguments]
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(
            command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert outcome.returncode == 1
    assert b"No space left on device" in outcome.stderr.splitlines()[-1]
    assert b"Traceback" not in outcome.stderr
    assert b"Exception ignored" not in outcome.stderr


def test_a_picture_can_be_piped_on(tmp_path: Path, gemini_settings: dict[str, str]) -> None:
    """Its untouched bytes and nothing else; what there is to say is on standard error."""
    command = [str(Path(sys.executable).with_name("nano-banana-lab")), "generate", "a fox", "-o", "-"]
    environment = {"PATH": os.environ["PATH"], **gemini_settings}
    outcome = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    [kept] = [content for key, content in EmbeddedStores(tmp_path / "data").blobs().items() if key.endswith(".jpg")]
    [picture] = json.loads(run_lab_command("history", "list", "--json", folder=tmp_path).stdout)["pictures"]
    saved = subprocess.run(
        [command[0], "history", "save", picture["id"], "-o", "-"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
    )

    assert (outcome.stdout, saved.stdout) == (kept, kept)
    assert f"Kept in the history as {picture['id']}" in outcome.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_show_is_replaced_for_people_and_whole_for_programs(
    tmp_path: Path, encoding: str
) -> None:
    arguments = ("prompts", "list", "--language", "zh", "--limit", "1")
    shown = run_lab_command(*arguments, folder=tmp_path, PYTHONIOENCODING=encoding)
    document = run_lab_command(*arguments, "--json", folder=tmp_path, PYTHONIOENCODING=encoding)

    assert (shown.returncode, document.returncode) == (0, 0), shown.stderr + document.stderr
    assert "??????" in shown.stdout
    assert not json.loads(document.stdout)["prompts"][0]["text"].isascii()


def test_a_file_whose_name_is_no_text_can_be_told_of(tmp_path: Path) -> None:
    outcome = run_lab_command("generate", "a fox", "-o", "\udcff.png", "--json", folder=tmp_path)

    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["file"].endswith(".png")
    assert [path.name for path in tmp_path.glob("*.png")] == ["\udcff.png"]
