"""The command `generate` with pictures, styles and searches; what it does with words alone stands in `test_command_line`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from nano_banana_lab.testing.scripted_image_model import striped_png

Run = Callable[..., Result]


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Runs `generate --json` beside the files cat.png and hat.png, and returns its document."""
    for name in ("cat", "hat"):
        (tmp_path / f"{name}.png").write_bytes(striped_png(32, 32, note=name))

    def generate(*arguments: str) -> Any:
        result = run("generate", "--json", *arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return json.loads(result.stdout)

    return generate


def test_the_document_has_the_file_and_all_that_is_known_of_the_picture(made: Any, tmp_path: Path) -> None:
    document = made("a corgi", "-o", "corgi.png", "--resolution", "2K")

    assert document["file"] == "corgi.png"
    assert document["picture"]["size_bytes"] == (tmp_path / "corgi.png").stat().st_size
    assert (document["picture"]["prompt"], document["picture"]["resolution"]) == ("a corgi", "2K")
    assert "owner" not in document["picture"]


@pytest.mark.parametrize(
    ("arguments", "mode", "prompt"),
    [
        (["a map", "--search"], "search", "a map"),
        (["a map", "--search-context", "Lisbon"], "search", "a map"),
        (["hats on", "--image", "cat.png", "--image", "hat.png"], "blend", "hats on"),
        (["--image", "cat.png", "--image", "hat.png"], "blend", "Blend these pictures into one coherent picture."),
        (["--image", "cat.png", "--style", "woodcut"], "style", "woodcut"),
        (["at night", "--image", "cat.png", "--style", "woodcut"], "style", "woodcut\nat night"),
        (["at night", "--image", "cat.png", "--style-image", "hat.png"], "style", "at night"),
    ],
)
def test_the_options_decide_what_is_done(made: Any, arguments: list[str], mode: str, prompt: str) -> None:
    picture = made(*arguments)["picture"]

    assert (picture["mode"], picture["prompt"]) == (mode, prompt)


@pytest.mark.parametrize("name", ["key", "id"])
def test_a_kept_picture_can_be_used_again_by_its_key_and_its_id(made: Any, name: str) -> None:
    first = made("a corgi")["picture"]

    assert made("--image", first[name], "--style", "woodcut")["picture"]["mode"] == "style"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x", "--image", "cat.png"],
        ["x", "--style", "woodcut"],
        ["x", "--style", "woodcut", "--image", "cat.png", "--image", "cat.png"],
        ["x", "--search", "--image", "cat.png", "--image", "cat.png"],
        ["x", "--user", "Not An Id"],
        ["x", "--json", "-o", "-"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_misuse(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    result = run("generate", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.png", "There is no file missing.png"),
        ("notes.txt", "invalid_image: This is not a usable picture (not_an_image). (notes.txt)"),
        ("0" * 32, f"image_not_found: There is no such picture. ({'0' * 32})"),
        ("users/anonymous/x.png", "image_not_found: There is no such picture. (users/anonymous/x.png)"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named(run: Run, tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture at all")
    result = run("generate", "--image", name, "--style", "woodcut")

    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr


def test_another_users_pictures_are_theirs_alone(run: Run, made: Any) -> None:
    theirs = made("a corgi", "--user", "6fac44aa6f9ae93e")["picture"]

    assert theirs["key"].startswith("users/6fac44aa6f9ae93e/")
    assert run("generate", "--image", theirs["id"], "--style", "x").exit_code == 1
