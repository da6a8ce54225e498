"""Somebody starts the lab in an empty directory, without a key, and makes a picture."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from nano_banana_lab.testing.lab_process import LabProcess, running_lab

PROMPT = "a corgi in a teacup"


@dataclass(frozen=True)
class FirstRun:
    """What there was to see before the process was stopped."""

    answer: dict[str, Any]
    history: dict[str, Any]
    download: httpx.Response
    model_health: dict[str, Any]
    log: str
    exit_code: int


@pytest.fixture(scope="module")
def first_run(folder: Path) -> FirstRun:
    with running_lab(folder) as lab, httpx.Client(base_url=lab.url, timeout=60) as client:
        answer = client.post("/api/generate", json={"prompt": PROMPT}).raise_for_status().json()
        history = client.get("/api/history").json()
        download = client.get(answer["image"]["url"])
        health = client.get("/api/health/detailed").json()["components"]["image_model"]
        code = lab.stop()
        return FirstRun(answer, history, download, health, lab.log(), code)


@pytest.fixture(scope="module")
def second_run(first_run: FirstRun, folder: Path):
    with running_lab(folder) as lab:
        yield lab


@pytest.fixture
def picture(first_run: FirstRun, folder: Path) -> bytes:
    """The file on disk."""
    return (folder / "data" / "pictures" / first_run.answer["image"]["key"]).read_bytes()


def test_the_first_picture_lies_in_the_data_directory_under_its_day(first_run: FirstRun, folder: Path) -> None:
    year, month, day = first_run.answer["created_at"][:10].split("-")
    files = list((folder / "data" / "pictures" / "users" / "anonymous" / year / month / day).glob("*.png"))

    assert [first_run.answer["image"]["filename"]] == [file.name for file in files]


def test_the_first_picture_is_a_png_of_the_promised_size_that_knows_its_prompt(
    first_run: FirstRun, picture: bytes
) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.load()

    assert (image.format, image.size) == ("PNG", (1376, 768))
    assert PROMPT in image.text.values()
    assert (1376, 768, len(picture)) == tuple(
        first_run.answer["image"][name] for name in ("width", "height", "size_bytes")
    )


def test_the_first_picture_is_the_only_line_of_the_history(first_run: FirstRun) -> None:
    lines = first_run.history["items"]

    assert first_run.history["total"] == 1
    assert [(first_run.answer["id"], PROMPT)] == [(line["id"], line["prompt"]) for line in lines]


def test_a_download_is_the_file_on_disk_byte_for_byte(first_run: FirstRun, picture: bytes) -> None:
    assert picture == first_run.download.content
    assert first_run.download.headers["content-type"] == "image/png"


def test_everything_says_that_pictures_are_sketches_and_how_to_get_real_ones(first_run: FirstRun) -> None:
    assert first_run.answer["model"] == first_run.model_health["details"]["model"] == "sketch"
    for said in (first_run.model_health["details"]["notice"], first_run.log):
        assert "offline sketch model" in said
        assert "GOOGLE_API_KEY" in said


def test_after_a_restart_everything_is_still_there(first_run: FirstRun, second_run: LabProcess, picture: bytes) -> None:
    history = httpx.get(f"{second_run.url}/api/history").json()
    content = httpx.get(second_run.url + first_run.answer["image"]["url"]).content

    assert first_run.exit_code == 0
    assert first_run.history == history
    assert picture == content
