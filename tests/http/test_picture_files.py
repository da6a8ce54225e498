"""The bytes of a picture: whole, in part, small, as a download, or not again."""

import hashlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
async def made(service: Any) -> dict[str, Any]:
    return (await service.generated())["image"]


@pytest.fixture
async def whole(service: Any, made: dict[str, Any]) -> bytes:
    return (await service.client.get(made["url"])).content


async def test_the_bytes_are_those_the_model_made(service: Any, made: dict[str, Any]) -> None:
    response = await service.client.get(made["url"])

    assert response.status_code == 200
    assert hashlib.sha256(response.content).hexdigest() == made["sha256"]
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == str(made["size_bytes"])
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["etag"] == f'"{made["sha256"]}"'
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "content-disposition" not in response.headers


@pytest.mark.parametrize(
    ("format", "mime_type", "suffix"), [("JPEG", "image/jpeg", "jpg"), ("WEBP", "image/webp", "webp")]
)
async def test_a_picture_is_called_what_it_is(service: Any, format: str, mime_type: str, suffix: str) -> None:
    file = BytesIO()
    Image.new("RGB", (1376, 768), "orange").save(file, format)
    service.model.then(file.getvalue())
    made = (await service.generated())["image"]
    response = await service.client.get(made["url"])

    assert (made["mime_type"], response.headers["content-type"]) == (mime_type, mime_type)
    assert made["filename"].endswith(f".{suffix}")
    assert response.content == file.getvalue()


@pytest.mark.parametrize("matching", ["{etag}", "W/{etag}", '"other", {etag}', '"other" , W/{etag}', "*"])
async def test_a_client_with_a_current_copy_gets_nothing(service: Any, made: dict[str, Any], matching: str) -> None:
    etag = f'"{made["sha256"]}"'
    response = await service.client.get(made["url"], headers={"If-None-Match": matching.format(etag=etag)})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("other", ['"other"', 'W/"other"', "", "{sha256}", '"{sha256}-thumb"'])
async def test_a_client_with_another_copy_gets_the_picture(service: Any, made: dict[str, Any], other: str) -> None:
    headers = {"If-None-Match": other.format(sha256=made["sha256"])}
    response = await service.client.get(made["url"], headers=headers)

    assert (response.status_code, len(response.content)) == (200, made["size_bytes"])


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-7", 0, 8),
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, None),
        ("bytes=-4", -4, None),
        ("bytes=8-999999999", 8, None),
        ("bytes=-999999999", 0, None),
        ("bytes=0-", 0, None),
    ],
)
async def test_a_range_is_exactly_those_bytes(
    service: Any, made: dict[str, Any], whole: bytes, header: str, start: int, end: int | None
) -> None:
    response = await service.client.get(made["url"], headers={"Range": header})

    part = whole[start:end]
    assert (response.status_code, response.content) == (206, part)
    first = len(whole) + start if start < 0 else start
    assert response.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
    assert response.headers["content-length"] == str(len(part))
    assert response.headers["etag"] == f'"{made["sha256"]}"'


@pytest.mark.parametrize("header", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999-", "bytes=-0"])
async def test_a_range_beyond_the_end_cannot_be_satisfied(
    service: Any, made: dict[str, Any], is_problem: Any, header: str
) -> None:
    header = header.format(size=made["size_bytes"])
    response = await service.client.get(made["url"], headers={"Range": header})
    is_problem(response, 416, "range_not_satisfiable")

    assert response.headers["content-range"] == f"bytes */{made['size_bytes']}"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4", "bytes=-", "bytes=", "bytes=a-b", "bytes=5-2", "bytes=--5", "bytes", "lines=0-1", "", "0-5",
        "bytes=1.5-2", "bytes=0-" + "9" * 5000, "bytes=" + "9" * 5000 + "-",
    ],
    ids=lambda header: header[:16],
)  # fmt: skip
async def test_several_ranges_or_none_that_can_be_read_mean_the_whole(
    service: Any, made: dict[str, Any], header: str
) -> None:
    response = await service.client.get(made["url"], headers={"Range": header})

    assert (response.status_code, len(response.content)) == (200, made["size_bytes"])
    assert "content-range" not in response.headers


async def test_a_range_of_the_version_one_has_goes_on(service: Any, made: dict[str, Any]) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": f'"{made["sha256"]}"'}

    assert (await service.client.get(made["url"], headers=headers)).status_code == 206


@pytest.mark.parametrize("other", ['"other"', 'W/"{sha256}"', "Sun, 22 Nov 2026 12:00:00 GMT"])
async def test_a_range_of_another_version_starts_over(service: Any, made: dict[str, Any], other: str) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": other.format(sha256=made["sha256"])}
    response = await service.client.get(made["url"], headers=headers)

    assert (response.status_code, len(response.content)) == (200, made["size_bytes"])


async def test_a_thumbnail_is_a_small_webp_with_a_tag_of_its_own(service: Any, made: dict[str, Any]) -> None:
    response = await service.client.get(made["thumbnail_url"])
    small = Image.open(BytesIO(response.content))

    assert (small.format, max(small.size)) == ("WEBP", 512)
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["etag"] == f'"{made["sha256"]}-thumb"'
    assert "immutable" in response.headers["cache-control"]
    again = await service.client.get(made["thumbnail_url"], headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_download_has_a_name(service: Any, made: dict[str, Any]) -> None:
    whole = await service.client.get(f"{made['url']}?download=1")
    small = await service.client.get(f"{made['thumbnail_url']}&download=true")

    stem = made["filename"].removesuffix(".png")
    assert whole.headers["content-disposition"] == f'attachment; filename="{stem}.png"'
    assert small.headers["content-disposition"] == f'attachment; filename="{stem}-thumb.webp"'


@pytest.mark.parametrize("query", ["size=huge", "size=THUMB", "download=maybe"])
async def test_an_unknown_wish_is_refused(service: Any, made: dict[str, Any], wrong_fields: Any, query: str) -> None:
    response = await service.client.get(f"{made['url']}?{query}")

    assert [name for name, _ in wrong_fields(response)] == [query.partition("=")[0]]


@pytest.mark.parametrize("size", ["", "thumb"])
async def test_a_picture_whose_file_is_lost_is_not_found(
    service: Any, made: dict[str, Any], is_problem: Any, size: str
) -> None:
    await service.blobs.delete(made["key"])

    is_problem(await service.client.get(f"{made['url']}?size={size}"), 404, "image_not_found")


async def test_a_large_picture_comes_in_pieces_and_whole(service: Any) -> None:
    data = b"\x89PNG\r\n\x1a\n"
    file = BytesIO()
    Image.effect_noise((2000, 2000), 90).save(file, "PNG")
    data = file.getvalue()
    service.model.then(data)
    made = (await service.generated())["image"]

    assert len(data) > 2 * 2**20
    assert (await service.client.get(made["url"])).content == data


async def test_head_answers_what_get_would_without_the_bytes(service: Any, made: dict[str, Any]) -> None:
    response = await service.client.head(made["url"])

    assert response.status_code == 200
    assert response.headers["content-length"] == str(made["size_bytes"])
    assert response.headers["content-type"] == "image/png"
