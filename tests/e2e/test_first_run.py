"""Somebody starts the lab in an empty directory, without a key, and makes a picture."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image

from nano_banana_lab.testing.lab_process import LabProcess, running_lab

PROMPT = "a corgi in a teacup"


@pytest.fixture(scope="module")
def lab(folder: Path):
    with running_lab(folder) as process:
        yield process


@pytest.fixture(scope="module")
def answer(lab: LabProcess) -> dict:
    response = httpx.post(f"{lab.url}/api/generate", json={"prompt": PROMPT}, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def picture(answer: dict, folder: Path) -> bytes:
    return (folder / "data" / "pictures" / answer["image"]["key"]).read_bytes()


def test_the_first_picture_lies_in_the_data_directory_under_its_day(answer: dict, folder: Path) -> None:
    year, month, day = answer["created_at"][:10].split("-")

    files = list((folder / "data" / "pictures" / "users" / "anonymous" / year / month / day).glob("*.png"))
    assert [answer["image"]["filename"]] == [file.name for file in files]
    assert answer["model"] == "sketch"


def test_the_first_picture_is_a_png_of_the_promised_size_that_knows_its_prompt(answer: dict, picture: bytes) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.load()

        assert (image.format, image.size) == ("PNG", (1376, 768))
        assert PROMPT in image.text.values()
    assert (1376, 768, len(picture)) == tuple(answer["image"][name] for name in ("width", "height", "size_bytes"))


def test_the_first_picture_is_the_only_line_of_the_history(lab: LabProcess, answer: dict) -> None:
    found = httpx.get(f"{lab.url}/api/history").json()

    assert found["total"] == 1
    assert [(answer["id"], PROMPT)] == [(item["id"], item["prompt"]) for item in found["items"]]


def test_a_download_is_the_file_on_disk_byte_for_byte(lab: LabProcess, answer: dict, picture: bytes) -> None:
    response = httpx.get(lab.url + answer["image"]["url"])

    assert picture == response.content
    assert response.headers["content-type"] == "image/png"


def test_log_and_health_say_that_pictures_are_sketches_and_how_to_get_real_ones(lab: LabProcess) -> None:
    model = httpx.get(f"{lab.url}/api/health/detailed").json()["components"]["image_model"]

    assert model["details"]["model"] == "sketch"
    for said in (model["details"]["notice"], lab.log()):
        assert "offline sketch model" in said
        assert "GOOGLE_API_KEY" in said


def test_after_a_restart_everything_is_still_there(tmp_path: Path) -> None:
    with running_lab(tmp_path) as first:
        made = httpx.post(f"{first.url}/api/generate", json={"prompt": PROMPT}, timeout=60).json()
        content = httpx.get(first.url + made["image"]["url"]).content
        code = first.stop()
    with running_lab(tmp_path) as second:
        item = httpx.get(f"{second.url}/api/history").json()["items"][0]
        content_again = httpx.get(second.url + item["url"]).content

    assert code == 0
    assert (made["id"], PROMPT) == (item["id"], item["prompt"])
    assert content == content_again
