"""The commands `history list`, `show`, `save` and `delete`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
ALICE = "6fac44aa6f9ae93e"


@pytest.fixture
def pictures(run: Run) -> list[dict[str, Any]]:
    """A corgi, a fox, and one of somebody else's, oldest first."""
    wishes = [["a corgi"], ["a FOX", "--aspect-ratio", "1:1"], ["a secret", "--user", ALICE]]
    made = [run("generate", *wish, "-o", "last.png", "--json") for wish in wishes]
    return [json.loads(each.stdout)["picture"] for each in made]


def listed(run: Run, *arguments: str) -> Any:
    result = run("history", "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_has_the_newest_first_and_says_how_many_there_are(run: Run, pictures: list[Any]) -> None:
    corgi, fox, _ = pictures
    shown = run("history", "list", "--limit", "1").stdout

    assert listed(run) == {"total": 2, "pictures": [fox, corgi]}
    assert fox["id"] in shown
    assert corgi["id"] not in shown
    assert "1 of 2 pictures" in shown


def test_list_finds_by_words_mode_and_user(run: Run, pictures: list[Any]) -> None:
    corgi, fox, secret = pictures

    assert listed(run, "--search", "fox")["pictures"] == [fox]
    assert listed(run, "--mode", "basic", "--search", "corgi")["pictures"] == [corgi]
    assert listed(run, "--mode", "chat")["pictures"] == []
    assert listed(run, "--user", ALICE)["pictures"] == [secret]


def test_a_prompt_is_shown_as_text_and_never_obeyed(run: Run) -> None:
    made = run("generate", "a [red]map[/red] of \x1b[31mLisbon", "--json")
    shown = run("history", "list").stdout + run("history", "show", json.loads(made.stdout)["picture"]["id"]).stdout

    assert shown.count("a [red]map[/red] of  [31mLisbon") + shown.count("a [red]map[/red] of [31mLisbon") == 2
    assert "\x1b" not in shown


def test_list_cuts_long_prompts_and_nothing_else(run: Run) -> None:
    made = json.loads(run("generate", "a long " + "story " * 100, "--json").stdout)["picture"]
    shown = run("history", "list").stdout

    assert all(whole in shown for whole in (made["id"], "basic", "1376x768", "Made (UTC)", "a long story"))


def test_list_of_nothing_says_so(run: Run) -> None:
    assert run("history", "list").stdout == "There is nothing to list.\n"
    assert listed(run) == {"total": 0, "pictures": []}


def test_show_has_all_that_is_known(run: Run, pictures: list[Any]) -> None:
    shown, as_json = (run("history", "show", pictures[1]["id"], *more).stdout for more in ([], ["--json"]))

    assert "prompt: a FOX" in shown.splitlines()
    assert json.loads(as_json) == pictures[1]


def test_save_writes_the_very_bytes_beside_what_is_there(run: Run, pictures: list[Any], tmp_path: Path) -> None:
    corgi = pictures[0]["id"]
    named = run("history", "save", corgi, "-o", "corgi.png")
    saved = [Path(run("history", "save", corgi).stdout.strip()) for _ in range(2)]
    (kept,) = (path for path in (tmp_path / "data").rglob(f"*{corgi}.png"))

    assert named.stdout == "corgi.png\n"
    assert [path.name for path in saved] == [kept.name, f"{kept.stem}-2.png"]
    assert {(tmp_path / each).read_bytes() for each in ("corgi.png", *saved)} == {kept.read_bytes()}


@pytest.mark.parametrize("command", ["show", "save"])
def test_nobody_sees_what_is_not_theirs(run: Run, pictures: list[Any], command: str) -> None:
    result = run("history", command, pictures[2]["id"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "image_not_found: There is no such picture.\n"


def test_delete_takes_pictures_away_for_good(run: Run, pictures: list[Any], tmp_path: Path) -> None:
    corgi, fox, _ = pictures
    result = run("history", "delete", corgi["id"], fox["id"], "--yes")

    assert (result.exit_code, result.stdout) == (0, "2 pictures deleted\n")
    assert listed(run)["total"] == 0
    assert list((tmp_path / "data").rglob(f"*{corgi['id']}*")) == []


def test_delete_names_what_is_not_there_and_fails(run: Run, pictures: list[Any]) -> None:
    result = run("history", "delete", pictures[0]["id"], pictures[2]["id"], "--yes")

    assert (result.exit_code, result.stdout) == (1, "1 picture deleted\n")
    assert pictures[2]["id"] in result.stderr
    assert listed(run, "--user", ALICE)["total"] == 1


def test_delete_in_a_script_needs_a_yes(run: Run, pictures: list[Any]) -> None:
    result = run("history", "delete", pictures[0]["id"], typed="y\n")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert listed(run)["total"] == 2
