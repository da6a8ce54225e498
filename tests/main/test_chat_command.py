"""The command `chat`, as a script speaks with it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from nano_banana_lab.testing.scripted_image_model import striped_png

Run = Callable[..., Result]


def session_in(result: Result) -> str:
    found = re.search(r"chat --session (\w{32})$", result.stdout)
    assert found, result.output
    return found[1]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_each_line_makes_a_picture_and_says_where_it_is(run: Run, tmp_path: Path) -> None:
    result = run("chat", "-d", "corgis", typed="a corgi in a teacup\n\n  the same, asleep  \n")

    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "corgis").iterdir()) == [
        "01-a-corgi-in-a-teacup.png",
        "02-the-same-asleep.png",
    ]
    assert "corgis/02-the-same-asleep.png (1376x768" in result.stdout
    assert result.stderr == ""


def test_a_chat_can_be_gone_on_with_and_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    chat = session_in(run("chat", typed="a corgi\n"))
    (tmp_path / "02-asleep.png").write_bytes(b"mine")
    result = run("chat", "--session", chat, typed="asleep")

    assert result.stdout.startswith("Going on after 2 messages: a corgi\n")
    assert "02-asleep-2.png" in result.stdout
    assert (tmp_path / "02-asleep.png").read_bytes() == b"mine"


def test_shape_and_size_hold_from_then_on(run: Run, tmp_path: Path) -> None:
    run("chat", typed="/ratio 1:1\none\n/resolution 2k\ntwo\nthree\n")

    assert [size_of(path) for path in sorted(tmp_path.glob("*.png"))] == [(1024, 1024), (2048, 2048), (2048, 2048)]


def test_a_message_that_fails_says_why_and_the_chat_goes_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(striped_png(32, 32, note="cat"))
    result = run("chat", typed=f"/image cat.png\n{'x' * 2001}\nnow it works\n")

    assert result.exit_code == 1
    assert result.stderr == "validation_error: message: At most 2000 characters are allowed.\n"
    assert "01-now-it-works.png" in result.stdout


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/ratio 7:1", "settings.aspect_ratio"),
        ("/resolution 8K", "A resolution is one of: 1K, 2K, 4K."),
        ("/image missing.png", "There is no file missing.png"),
        ("/save x.png", "There is no picture yet."),
        ("/export", "There is no picture yet."),
        ("/export pdf", "A chat can be exported as: json, markdown."),
        ("/image", "see /help"),
        ("/paint", "see /help"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run: Run, tmp_path: Path, line: str, complaint: str) -> None:
    result = run("chat", typed=f"{line}\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.glob("*.png")) == []


def test_save_writes_the_last_picture_once_more(run: Run, tmp_path: Path) -> None:
    run("chat", typed="a corgi\n/save corgi.png\n")

    assert (tmp_path / "corgi.png").read_bytes() == (tmp_path / "01-a-corgi.png").read_bytes()


def test_export_lies_beside_all_pictures_of_the_chat(run: Run, tmp_path: Path) -> None:
    chat = session_in(run("chat", typed="a corgi\n"))
    run("chat", "--session", chat, "-d", "kept", typed="asleep\n/export\n/export json\n")
    document = (tmp_path / "kept" / f"chat-{chat}.md").read_text()
    links = re.findall(r"!\[.*\]\((.+)\)", document)

    assert links == ["01-a-corgi.png", "02-asleep.png"]
    assert all((tmp_path / "kept" / link).is_file() for link in links)
    assert len(json.loads((tmp_path / "kept" / f"chat-{chat}.json").read_text())["messages"]) == 4


def test_quit_ends_it_and_help_explains_it(run: Run, tmp_path: Path) -> None:
    result = run("chat", typed="/help\n/quit\nnever\n")

    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("/image", "/ratio", "/resolution", "/save", "/export", "/quit"))
    assert list(tmp_path.glob("*.png")) == []


@pytest.mark.parametrize("session", ["0" * 32, "nonsense"])
def test_a_chat_that_is_not_there_cannot_be_gone_on_with(run: Run, session: str) -> None:
    result = run("chat", "--session", session, typed="a corgi\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("session_not_found: ")
