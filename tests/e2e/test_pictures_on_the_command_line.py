"""Pictures made without the service, as typed, against something that answers like Gemini and refuses what Google refuses."""

import contextlib
import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.store_setups import EmbeddedStores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import run_lab_command
from nano_banana_lab.testing.scripted_image_model import striped_png

CAT, HAT = (striped_png(32, 32, note=name) for name in ("cat", "hat"))

Lab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab(tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]) -> Lab:
    """Runs a command in a folder with cat.png and hat.png; the double has forgotten what other tests asked."""
    gemini.clear()
    (tmp_path / "cat.png").write_bytes(CAT)
    (tmp_path / "hat.png").write_bytes(HAT)
    return lambda *arguments, **options: run_lab_command(*arguments, folder=tmp_path, **gemini_settings | options)


def seen(gemini: GeminiDouble, request: int = -1) -> list[list[str]]:
    """The hashes of the pictures in each turn of what the double was sent."""
    turns = gemini.requests[request].body["contents"]
    return [[part["inlineData"]["data"] for part in turn["parts"] if "inlineData" in part] for turn in turns]


def sha256(*data: bytes) -> list[str]:
    return [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in data]


def test_blended_files_reach_the_model_byte_for_byte_and_in_order(
    lab: Lab, gemini: GeminiDouble, tmp_path: Path
) -> None:
    outcome = lab("generate", "the cat wears it", "--image", "hat.png", "--image", "cat.png", "-o", "made.jpg")

    assert outcome.returncode == 0, outcome.stderr
    assert seen(gemini) == [sha256(HAT, CAT)]
    assert (tmp_path / "made.jpg").read_bytes() in EmbeddedStores(tmp_path / "data").blobs().values()


def test_a_kept_picture_is_drawn_anew_in_the_style_of_a_file(lab: Lab, gemini: GeminiDouble, tmp_path: Path) -> None:
    lab("generate", "a fox", "-o", "fox.jpg")
    [fox] = json.loads(lab("history", "list", "--json").stdout)["pictures"]
    outcome = lab("generate", "--image", fox["key"], "--style-image", "hat.png", "--style", "woodcut", "--json")

    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["picture"]["mode"] == "style"
    assert seen(gemini) == [sha256((tmp_path / "fox.jpg").read_bytes(), HAT)]
    assert "woodcut" in gemini.requests[-1].prompt


def test_a_search_asks_google_and_names_its_sources(lab: Lab, gemini: GeminiDouble) -> None:
    outcome = lab("generate", "the weather [[grounding]]", "--search-context", "Lisbon")

    assert outcome.returncode == 0, outcome.stderr
    assert gemini.requests[-1].body["tools"]
    assert "\nSources:\n" in outcome.stdout


def test_thoughts_are_shown_when_asked_for(lab: Lab) -> None:
    asked, not_asked = lab("generate", "a fox [[thoughts]]", "--thinking"), lab("generate", "a fox [[thoughts]]")

    assert "\nThoughts: " in asked.stdout
    assert "Thoughts" not in not_asked.stdout


def test_the_second_message_of_a_chat_shows_the_model_its_first_picture(
    lab: Lab, gemini: GeminiDouble, tmp_path: Path
) -> None:
    script = "/image cat.png\na cat in a teacup [[say Meow.]]\nthe same, asleep\n"
    outcome = lab("chat", "-d", "chat", typed=script)
    first, second = sorted((tmp_path / "chat").iterdir())

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines()[1] == "Meow."
    assert [first.name, second.name] == ["01-a-cat-in-a-teacup-say-meow.jpg", "02-the-same-asleep.jpg"]
    assert seen(gemini) == [sha256(CAT), sha256(first.read_bytes()), []]


def test_a_chat_goes_on_after_a_blocked_message_and_in_another_process(lab: Lab, gemini: GeminiDouble) -> None:
    begun = lab("chat", typed="a fox\na fight [[blocked]]\n")
    chat = begun.stdout.split()[-1]
    gone_on = lab("chat", "--session", chat, typed="the same, asleep\n")

    assert (begun.returncode, gone_on.returncode) == (1, 0)
    assert begun.stderr.startswith("content_blocked: ")
    assert "02-the-same-asleep.jpg" in gone_on.stdout
    assert [len(pictures) for pictures in seen(gemini)] == [0, 1, 0]


def test_a_batch_with_a_blocked_prompt_saves_the_others_and_fails(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("# three\na fox\na fight [[blocked]]\nan owl\n")
    shown, document = lab("batch", "prompts.txt", "-d", "made"), lab("batch", "prompts.txt", "--json")
    items = json.loads(document.stdout)["items"]

    assert (shown.returncode, document.returncode) == (1, 1)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["01-a-fox.jpg", "03-an-owl.jpg"]
    assert re.search(r"a fight \[\[blocked\]\] +│ failed +│ \w", shown.stdout)
    assert shown.stdout.splitlines()[-1].startswith("2 of 3 pictures made and saved, $0.")
    assert [item["status"] for item in items] == ["completed", "failed", "completed"]
    assert items[1]["error"]["code"] == "content_blocked"
    assert (shown.stderr, document.stderr) == ("", "")


def test_what_was_made_is_found_saved_and_deleted(lab: Lab, tmp_path: Path) -> None:
    made = json.loads(lab("generate", "a fox", "--json").stdout)
    fox = made["picture"]["id"]
    saved, deleted = lab("history", "save", fox, "-o", "again.jpg"), lab("history", "delete", fox, "--yes")

    assert (saved.returncode, deleted.returncode) == (0, 0)
    assert (tmp_path / "again.jpg").read_bytes() == (tmp_path / made["file"]).read_bytes()
    assert EmbeddedStores(tmp_path / "data").blobs() == {}
    assert lab("history", "show", fox).returncode == 1


def pictures_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.jpg")]


@contextlib.contextmanager
def typing(
    folder: Path, settings: dict[str, str], *arguments: str, before: tuple[str, ...] = (), **streams: Any
) -> Any:
    """A command under way, run by `before`; streams that are not given are pipes."""
    command = [*before, str(Path(sys.executable).with_name("nano-banana-lab")), *arguments]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **settings}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes | streams) as process:
        try:
            yield process
        finally:
            process.kill()


def test_delete_asks_on_a_terminal(lab: Lab, tmp_path: Path, gemini_settings: dict[str, str]) -> None:
    fox = json.loads(lab("generate", "a fox", "--json").stdout)["picture"]["id"]
    keyboard, terminal = pty.openpty()
    for answer in (b"n\n", b"y\n"):
        with typing(tmp_path, gemini_settings, "history", "delete", fox, stdin=terminal) as process:
            os.write(keyboard, answer)
            said, asked = process.communicate(timeout=60)
        assert "a fox" in asked
        assert ("1 picture deleted" in said) == (answer == b"y\n")
    os.close(keyboard)
    os.close(terminal)


def test_what_is_piped_on_is_the_document_alone_while_the_terminal_shows_progress(
    lab: Lab, tmp_path: Path, gemini_settings: dict[str, str]
) -> None:
    screen, terminal = pty.openpty()
    arguments = ("generate", "a fox [[slow 1]]", "--json")
    with typing(tmp_path, gemini_settings, *arguments, stderr=terminal) as process:
        document, _ = process.communicate(timeout=60)
    os.close(terminal)

    assert json.loads(document)["picture"]["prompt"] == "a fox [[slow 1]]"
    assert b"Making a 1K picture" in os.read(screen, 65536)
    os.close(screen)


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (("generate", "a fox [[hold it]]"), ""),
        (("chat",), "a fox [[hold it]]\nnever asked\n"),
        (("batch", "--prompt", "a fox [[hold it]]", "--prompt", "never asked"), ""),
    ],
    ids=["generate", "chat", "batch"],
)
async def test_ctrl_c_lets_what_is_paid_for_be_finished_and_saved(
    lab: Lab,
    tmp_path: Path,
    gemini: GeminiDouble,
    gemini_settings: dict[str, str],
    arguments: tuple[str, ...],
    typed: str,
) -> None:
    one_at_a_time = gemini_settings | {"MAX_CONCURRENT_GENERATIONS": "1"}
    with typing(tmp_path, one_at_a_time, *arguments) as process:
        process.stdin.write(typed)
        process.stdin.flush()
        await gemini.until(lambda requests: len(requests) == 1)
        process.send_signal(signal.SIGINT)
        told = process.stderr.readline()
        gemini.release("it")
        said, trouble = process.communicate(timeout=60)
    (saved,) = pictures_in(tmp_path)

    assert process.returncode == 130
    assert told.startswith("Finishing and keeping")
    assert trouble == "Interrupted.\n"
    assert saved in said
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    "ignoring", [(), ("sh", "-c", 'trap "" INT; exec "$@"', "sh")], ids=["alone", "without Ctrl-C"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
async def test_other_signals_to_stop_let_it_be_finished_too(
    lab: Lab,
    tmp_path: Path,
    gemini: GeminiDouble,
    gemini_settings: dict[str, str],
    number: signal.Signals,
    ignoring: tuple[str, ...],
) -> None:
    """Also in the background of a script, where shells have Ctrl-C ignored."""
    with typing(tmp_path, gemini_settings, "generate", "a fox [[hold it]]", before=ignoring) as process:
        await gemini.until(lambda requests: len(requests) == 1)
        process.send_signal(number)
        told = process.stderr.readline()
        gemini.release("it")
        said, trouble = process.communicate(timeout=60)
    (saved,) = pictures_in(tmp_path)

    assert (process.returncode, trouble) == (128 + number, "Interrupted.\n")
    assert told.startswith("Finishing and keeping")
    assert saved in said


async def test_a_terminal_that_is_gone_keeps_no_picture_from_being_saved(
    lab: Lab, tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    screen, terminal = pty.openpty()
    arguments = ("batch", "--prompt", "a fox [[hold it]]")
    with typing(tmp_path, gemini_settings, *arguments, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        await gemini.until(lambda requests: len(requests) == 1)
        os.close(terminal)
        os.close(screen)
        process.send_signal(signal.SIGHUP)
        gemini.release("it")
        process.wait(60)

    assert process.returncode == 128 + signal.SIGHUP
    assert len(pictures_in(tmp_path)) == 1


async def test_a_second_ctrl_c_does_not_wait(
    lab: Lab, tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    with typing(tmp_path, gemini_settings, "generate", "a fox [[hold on]]") as process:
        await gemini.until(lambda requests: len(requests) == 1)
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, trouble = process.communicate(timeout=60)

    assert (process.returncode, said, trouble.splitlines()[-1]) == (130, "", "Interrupted.")
    assert pictures_in(tmp_path) == []


def test_ctrl_c_ends_a_chat_that_waits_for_words(lab: Lab, tmp_path: Path, gemini_settings: dict[str, str]) -> None:
    keyboard, terminal = pty.openpty()
    with typing(tmp_path, gemini_settings, "chat", stdin=terminal) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, trouble = process.communicate(timeout=60)
    os.close(keyboard)
    os.close(terminal)

    assert (process.returncode, trouble.splitlines()[-1]) == (130, "Interrupted.")


@pytest.mark.parametrize("kind", ["history", "prompts"])
def test_ctrl_c_ends_a_question_at_once_and_nothing_is_deleted(
    lab: Lab, tmp_path: Path, gemini_settings: dict[str, str], kind: str
) -> None:
    made = lab("generate", "a fox", "--json") if kind == "history" else lab("prompts", "add", "a fox", "--json")
    known = json.loads(made.stdout).get("id") or json.loads(made.stdout)["picture"]["id"]
    keyboard, terminal = pty.openpty()
    with typing(tmp_path, gemini_settings, kind, "delete", known, stdin=terminal) as process:
        asked = ""
        while "[y/N]" not in asked and (more := process.stderr.read(1)):
            asked += more
        process.send_signal(signal.SIGINT)
        said, trouble = process.communicate(timeout=60)
    os.close(keyboard)
    os.close(terminal)

    assert (process.returncode, said, trouble.splitlines()[-1]) == (130, "", "Interrupted.")
    assert lab(kind, "show", known).returncode == 0
