"""The command `batch`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def test_a_picture_is_made_for_each_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("# ideas\n\na corgi in a teacup\n  Größe: 猫!  \n", encoding="utf-8")
    result = run("batch", "prompts.txt", "-d", "made/here")

    assert result.exit_code == 0, result.output
    assert names(tmp_path / "made" / "here") == ["01-a-corgi-in-a-teacup.png", "02-grösse-猫.png"]
    assert result.stdout.splitlines()[-1].startswith("2 of 2 pictures made and saved")
    assert result.stderr == ""


def test_prompts_come_from_standard_input_and_from_options_too(run: Run, tmp_path: Path) -> None:
    result = run("batch", "-", "--prompt", "three", "--json", typed="one\ntwo\n")

    assert [item["prompt"] for item in json.loads(result.stdout)["items"]] == ["one", "two", "three"]
    assert names(tmp_path) == ["01-one.png", "02-two.png", "03-three.png"]


def test_a_byte_order_mark_is_no_part_of_the_first_prompt(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a fox\n", encoding="utf-8-sig")
    results = run("batch", "prompts.txt", "--json"), run("batch", "-", "--json", typed="\ufeffa fox\n")

    assert [json.loads(each.stdout)["items"][0]["prompt"] for each in results] == ["a fox", "a fox"]


def test_more_than_a_task_takes_become_several(run: Run, tmp_path: Path) -> None:
    document = json.loads(run("batch", "-", "--json", typed="a\nb\nc\nd\ne\n", BATCH_MAX_PROMPTS="2").stdout)

    assert len(document["tasks"]) == 3
    assert [item["status"] for item in document["items"]] == ["completed"] * 5
    assert [item["file"] for item in document["items"]] == names(tmp_path)


def test_the_trial_waits_between_tasks_and_refuses_what_it_does_not_pay_for(run: Run, tmp_path: Path) -> None:
    trial = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "1", "TRIAL_GLOBAL_QUOTA": "2"}
    result = run("batch", "-", "--json", typed="a\nb\nc\n", BATCH_MAX_PROMPTS="1", **trial)
    items = json.loads(result.stdout)["items"]

    assert result.exit_code == 1
    assert [item["status"] for item in items] == ["completed", "completed", "failed"]
    assert items[2]["error"]["code"] == "quota_exceeded"
    assert names(tmp_path) == ["01-a.png", "02-b.png"]


def test_what_other_pictures_made_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        run("batch", "--prompt", "a fox")

    assert names(tmp_path) == ["01-a-fox-2.png", "01-a-fox.png"]


def test_bad_prompts_are_all_named_by_their_place_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text(f"fine\n\n{'x' * 2001}\n")
    result = run("batch", "prompts.txt", "--prompt", " ")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "prompts.txt:3: At most 2000 characters" in result.stderr
    assert "--prompt 1: This field must not be empty." in result.stderr
    assert names(tmp_path) == []


def test_settings_that_the_model_does_not_offer_fail_in_one_line(run: Run) -> None:
    result = run("batch", "--prompt", "x", "--aspect-ratio", "7:1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("typed", ["", "# nothing\n\n"])
def test_without_prompts_it_is_misuse(run: Run, typed: str) -> None:
    assert (run("batch").exit_code, run("batch", "-", typed=typed).exit_code) == (2, 2)


@pytest.mark.parametrize(("content", "complaint"), [(None, "Cannot read"), (b"\xff\xfe\xff", "not text in UTF-8")])
def test_a_file_that_cannot_be_read_is_told(run: Run, tmp_path: Path, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "prompts.txt").write_bytes(content)
    result = run("batch", "prompts.txt")

    assert result.exit_code == 1
    assert complaint in result.stderr


def test_a_folder_that_cannot_be_is_told_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = run("batch", "--prompt", "x", "-d", "taken/here")

    assert result.exit_code == 1
    assert "Cannot make taken/here" in result.stderr
