"""Prompts that are written without the service, as typed, against something that answers like Gemini."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import run_lab_command

Lab = Callable[..., "subprocess.CompletedProcess[str]"]
Typing = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def lab(tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]) -> Lab:
    """Runs a command in an empty folder; the double has forgotten what other tests asked."""
    gemini.clear()
    return lambda *arguments, **options: run_lab_command(*arguments, folder=tmp_path, **gemini_settings | options)


@pytest.fixture
def typing(tmp_path: Path, gemini_settings: dict[str, str]) -> Typing:
    """Begins a command in that folder; streams that are not given are pipes."""
    command = str(Path(sys.executable).with_name("nano-banana-lab"))
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {"PATH": os.environ["PATH"], **gemini_settings}
    return lambda *arguments, **streams: subprocess.Popen(
        [command, *arguments], cwd=tmp_path, env=environment, text=True, **pipes | streams
    )


def kept(lab: Lab, *arguments: str) -> list[str]:
    """The texts of the prompts that are filed under food, newest first."""
    listed = lab("prompts", "list", "--category", "food", "--json", *arguments)
    return [prompt["text"] for prompt in json.loads(listed.stdout)["prompts"]]


def test_generated_prompts_are_distinct_kept_and_shown(lab: Lab) -> None:
    document = lab("prompts", "generate", "food", "--style", "linocut", "--json")
    shown = lab("prompts", "generate", "food", "--count", "2")
    texts = [prompt["text"] for prompt in json.loads(document.stdout)["prompts"]]

    assert (document.returncode, shown.returncode) == (0, 0), document.stderr + shown.stderr
    assert len({*texts}) == 10
    assert all("linocut" in text for text in texts)
    assert kept(lab, "--limit", "12")[2:] == texts
    assert [line.partition("  ")[2] for line in shown.stdout.splitlines()] == kept(lab, "--limit", "2")


def test_generated_in_chinese(lab: Lab) -> None:
    document = json.loads(lab("prompts", "generate", "food", "--count", "1", "--language", "zh", "--json").stdout)

    assert [prompt["language"] for prompt in document["prompts"]] == ["zh"]
    assert kept(lab, "--language", "zh", "--limit", "1") == [document["prompts"][0]["text"]]


@pytest.mark.parametrize("marker", ["too-few", "repeated", "refusal", "max-tokens"])
def test_an_answer_that_is_no_use_ends_in_one_line_and_nothing_is_kept(lab: Lab, marker: str) -> None:
    before = kept(lab)
    outcome = lab("prompts", "generate", "food", "--style", f"[[{marker}]]")

    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.splitlines()[-1].startswith("upstream_error: The model did not write what was asked for")
    assert "Traceback" not in outcome.stderr
    assert kept(lab) == before


def test_an_enhanced_prompt_is_all_there_is_to_read(lab: Lab) -> None:
    shown, document = lab("prompts", "enhance", " a cat "), lab("prompts", "enhance", " a cat ", "--json")
    enhanced = json.loads(document.stdout)

    assert (shown.stdout, shown.stderr) == (f"{enhanced['prompt']}\n", "")
    assert enhanced["original"] == "a cat"


def test_variations_are_lines_that_a_batch_takes(lab: Lab, tmp_path: Path) -> None:
    varied = lab("prompts", "variations", "a cat", "--kind", "mood", "--count", "2").stdout
    made = lab("batch", "-", "--json", typed=varied)

    assert [item["prompt"] for item in json.loads(made.stdout)["items"]] == varied.splitlines()
    assert len([*tmp_path.glob("*.jpg")]) == 2
    assert json.loads(lab("prompts", "variations", "a cat", "--json").stdout).keys() == {"prompts"}


async def test_ctrl_c_lets_what_is_paid_for_be_finished_and_shown(
    lab: Lab, typing: Typing, gemini: GeminiDouble
) -> None:
    with typing("prompts", "generate", "food", "--style", "[[hold it]]", "--count", "1", "--json") as process:
        await gemini.until(lambda requests: len(requests) == 1)
        process.send_signal(signal.SIGINT)
        told = process.stderr.readline()
        gemini.release("it")
        said, trouble = process.communicate(timeout=60)

    assert (process.returncode, trouble) == (130, "Interrupted.\n")
    assert told.startswith("Finishing and keeping")
    assert [prompt["text"] for prompt in json.loads(said)["prompts"]] == kept(lab, "--limit", "1")


def test_delete_asks_on_a_terminal_and_shows_what_it_is_about(lab: Lab, typing: Typing) -> None:
    prompt = json.loads(lab("prompts", "add", "a quiet harbour", "--json").stdout)["id"]
    keyboard, terminal = pty.openpty()
    outcomes = []
    for answer in (b"n\n", b"y\n"):
        os.write(keyboard, answer)
        with typing("prompts", "delete", prompt, stdin=terminal) as process:
            said, asked = process.communicate(timeout=60)
        assert "a quiet harbour" in asked
        outcomes.append((process.returncode, said))
    os.close(keyboard)
    os.close(terminal)

    assert outcomes == [(130, ""), (0, "1 prompt deleted\n")]
