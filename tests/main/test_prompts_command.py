"""The commands `prompts ...` that need no model."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
ALICE = "6fac44aa6f9ae93e"


def told(run: Run, *arguments: str) -> Any:
    result = run("prompts", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def texts(run: Run, *arguments: str) -> list[str]:
    return [prompt["text"] for prompt in told(run, "list", *arguments)["prompts"]]


@pytest.fixture
def harbour(run: Run) -> dict[str, Any]:
    prompt: dict[str, Any] = told(
        run,
        "add",
        " a quiet HARBOUR ",
        "--description",
        "Boats",
        "--category",
        "landscape",
        "--tag",
        "sea",
        "--tag",
        "fog",
    )
    return prompt


def test_list_has_ones_own_first_then_what_ships(run: Run, harbour: dict[str, Any]) -> None:
    page, shown = told(run, "list"), run("prompts", "list", "--limit", "1").stdout

    assert (page["prompts"][0], len(page["prompts"])) == (harbour, 20)
    assert harbour["id"] in shown
    assert f"1 of {page['total']} prompts" in shown


def test_list_cuts_long_prompts_and_nothing_else(run: Run) -> None:
    [first] = told(run, "list", "--limit", "1")["prompts"]
    shown = run("prompts", "list", "--limit", "1").stdout

    assert all(whole in shown for whole in (first["id"], first["category"], "Favourite", first["text"][:40]))
    assert first["text"] not in shown


def test_list_finds_by_category_words_language_and_user(run: Run, harbour: dict[str, Any]) -> None:
    run("prompts", "add", "我的猫", "--language", "zh")
    run("prompts", "add", "hers", "--user", ALICE)

    assert texts(run, "--search", "fog boats harbour") == ["a quiet HARBOUR"]
    assert texts(run, "--category", "landscape", "--limit", "1") == ["a quiet HARBOUR"]
    assert texts(run, "--category", "custom", "--language", "zh") == ["我的猫"]
    assert texts(run, "--category", "custom", "--user", ALICE) == ["hers"]


def test_list_goes_on_where_a_page_ended(run: Run, harbour: dict[str, Any]) -> None:
    whole = texts(run, "--limit", "5")

    assert [*texts(run, "--limit", "2"), *texts(run, "--limit", "3", "--offset", "2")] == whole


def test_list_of_nothing_says_so(run: Run) -> None:
    assert run("prompts", "list", "--favourites").stdout == "There is nothing to list.\n"


def test_categories_are_counted_and_named_in_a_language(run: Run, harbour: dict[str, Any]) -> None:
    english, chinese = told(run, "categories"), told(run, "categories", "--language", "zh")
    shown = run("prompts", "categories").stdout

    assert [each["name"] for each in english] == [each["name"] for each in chinese]
    assert [each["count"] for each in english][1:2] == [each["count"] + 1 for each in chinese][1:2]
    assert all(each["display_name"] in shown for each in english)


def test_show_has_all_that_is_known(run: Run, harbour: dict[str, Any]) -> None:
    shown = run("prompts", "show", harbour["id"]).stdout.splitlines()

    assert told(run, "show", harbour["id"]) == harbour
    assert {"text: a quiet HARBOUR", "tags: sea, fog", "category: landscape"} <= {*shown}


def test_a_prompt_is_shown_as_text_and_never_obeyed(run: Run) -> None:
    kept = told(run, "add", "a [red]map[/red] of \x1b[31mLisbon")
    shown = run("prompts", "list", "--limit", "1").stdout + run("prompts", "show", kept["id"]).stdout

    assert "\x1b" not in shown
    assert shown.count("a [red]map[/red] of ") == 2


def test_add_says_where_it_is_kept(run: Run) -> None:
    said = run("prompts", "add", "a quiet harbour").stdout

    assert said == f"Kept as {told(run, 'list')['prompts'][0]['id']}\n"


def test_favourite_says_what_it_is_now(run: Run, harbour: dict[str, Any]) -> None:
    mine = harbour["id"]
    on, listed, shown = run("prompts", "favourite", mine).stdout, texts(run, "--favourites"), told(run, "show", mine)
    off = run("prompts", "favourite", mine).stdout

    assert (on, off) == (f"{mine} is a favourite now\n", f"{mine} is no favourite any more\n")
    assert (listed, shown["is_favorite"]) == ([harbour["text"]], True)
    assert told(run, "favourite", mine) == {"prompt_id": mine, "is_favorite": True}


def test_delete_takes_ones_own_away_and_names_what_it_cannot(run: Run, harbour: dict[str, Any]) -> None:
    built_in = told(run, "list", "--limit", "2")["prompts"][1]["id"]
    result = run("prompts", "delete", harbour["id"], built_in, "0" * 32, "--yes")

    assert (result.exit_code, result.stdout) == (1, "1 prompt deleted\n")
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "authorization_failed",
        "prompt_not_found",
    ]
    assert harbour["text"] not in texts(run)


def test_delete_as_json_is_one_document(run: Run, harbour: dict[str, Any]) -> None:
    assert told(run, "delete", harbour["id"], "--yes") == {"deleted": [harbour["id"]]}


def test_delete_in_a_script_needs_a_yes(run: Run, harbour: dict[str, Any]) -> None:
    result = run("prompts", "delete", harbour["id"], typed="y\n")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert harbour["text"] in texts(run)


@pytest.mark.parametrize("command", ["show", "favourite"])
def test_nobody_sees_what_is_not_theirs(run: Run, harbour: dict[str, Any], command: str) -> None:
    result = run("prompts", command, harbour["id"], "--user", ALICE)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "prompt_not_found: There is no such prompt.\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("list", "--category", "cats"), "--category"),
        (("list", "--limit", "0"), "--limit"),
        (("list", "--offset", "-1"), "--offset"),
        (("generate", "cats"), "CATEGORY"),
        (("generate", "food", "--count", "31"), "--count"),
        (("variations", "a cat", "--kind", "size"), "--kind"),
        (("variations", "a cat", "--count", "11"), "--count"),
        (("delete",), "ID..."),
        (("show",), "ID"),
        (("list", "--favorite"), "--favourites"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_misuse_names_the_option(run: Run, arguments: tuple[str, ...], named: str) -> None:
    result = run("prompts", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("list", "--language", "xx"), "validation_error: language: This must be one of: en, zh."),
        (("categories", "--language", "xx"), "validation_error: language: "),
        (("add", " "), "validation_error: text: "),
        (("add", "x" * 2001), "validation_error: text: At most 2000 characters"),
        (("add", "x", "--description", "x" * 501), "validation_error: description: "),
        (("add", "x", "--tag", "fine", "--tag", "x" * 51), "validation_error: tags.1: "),
        (("add", "x", "--description", "\udcff"), "validation_error: description: "),
        (("add", "x", "--tag", "\udcff"), "validation_error: tags.0: "),
        (("generate", "food", "--style", "x" * 201), "validation_error: style: "),
        (("generate", "food", "--style", "\udcff"), "validation_error: style: "),
        (("generate", "food", "--language", "xx"), "validation_error: language: "),
        (("enhance", " "), "validation_error: prompt: "),
        (("enhance", "a cat", "--language", ""), "validation_error: language: "),
        (("variations", "\udcff"), "validation_error: prompt: "),
        (("show", "\udcff"), "prompt_not_found: "),
        (("generate", "food"), "no_api_key: There is no Google API key to pay with; set GOOGLE_API_KEY."),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_failure_ends_in_one_line_that_names_what_is_wrong(run: Run, arguments: tuple[str, ...], line: str) -> None:
    result = run("prompts", *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(line)
    assert len(result.stderr.splitlines()) == 1
