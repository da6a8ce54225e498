"""The key that the lab signs with is made once, for its owner only."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.main.secret_key import NoSecretKey, secret_key


def test_a_configured_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert secret_key(Secret("mine"), tmp_path / "data") == Secret("mine")
    assert not (tmp_path / "data").exists()


def test_without_one_a_long_random_key_is_made_and_kept(tmp_path: Path) -> None:
    first, second = secret_key(None, tmp_path / "deep" / "data"), secret_key(None, tmp_path / "deep" / "data")

    assert first == second
    assert len(first.reveal()) >= 32
    assert first != secret_key(None, tmp_path / "other")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    secret_key(None, tmp_path)

    assert oct((tmp_path / "secret_key").stat().st_mode & 0o777) == "0o600"
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_key_that_is_there_is_not_touched(tmp_path: Path) -> None:
    before = "kept from before, and long enough"
    (tmp_path / "secret_key").write_text(f"{before}\n")

    assert secret_key(None, tmp_path) == Secret(before)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 40])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret_key").write_bytes(content)

    with pytest.raises(NoSecretKey, match="SECRET_KEY is not set"):
        secret_key(None, tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(NoSecretKey, match="SECRET_KEY is not set"):
        secret_key(None, tmp_path / "file" / "data")


def test_racing_threads_agree(tmp_path: Path) -> None:
    start = Barrier(16)

    def make(_: int) -> str:
        start.wait()
        return secret_key(None, tmp_path).reveal()

    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(make, range(16)))

    assert keys == {(tmp_path / "secret_key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_racing_processes_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from nano_banana_lab.main.secret_key import secret_key;"
        "print('ready', flush=True); sys.stdin.readline(); print(secret_key(None, Path(sys.argv[1])).reveal())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 4
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate()[0].strip() for process in processes}

    assert keys == {(tmp_path / "secret_key").read_text()}


@pytest.mark.parametrize("leftover", [".secret_key.0123"])
def test_a_draft_of_a_process_that_died_does_no_harm(tmp_path: Path, leftover: str) -> None:
    (tmp_path / leftover).write_text("half")

    assert len(secret_key(None, tmp_path).reveal()) >= 32
