"""How pictures in a request are read: base64, data URLs and forms, and what is wrong with them."""

import asyncio
import base64
import binascii
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.pictures import encoded, entry, form, png, seen

from nano_banana_lab.http.picture_inputs import decode_picture

PATH = "/api/generate/blend"
DATA = png("~~~???>>>~~~")
"""Its base64 has every letter in which the alphabets differ."""


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(DATA).decode(),
        base64.urlsafe_b64encode(DATA).decode(),
        base64.b64encode(DATA).decode().rstrip("="),
        base64.urlsafe_b64encode(DATA).decode().rstrip("="),
        f"data:image/png;base64,{encoded(DATA)}",
        f"DATA:image/gif;charset=utf-8;BASE64,{encoded(DATA)}",
        f"data:;base64,{encoded(DATA).rstrip('=')}",
        base64.encodebytes(DATA).decode().replace("\n", "\r\n"),
    ],
    ids=[
        "standard",
        "url-safe",
        "unpadded",
        "url-safe unpadded",
        "data url",
        "odd data url",
        "bare data url",
        "in lines",
    ],
)
async def test_base64_is_read_in_every_spelling(service: Any, text: str) -> None:
    response = await service.client.post(PATH, json={"images": [{"data": text, "mime_type": "x/y"}, entry("two")]})

    assert response.status_code == 200, response.text
    assert seen(service) == [DATA, png("two")]


async def test_a_large_picture_is_read_as_well(service: Any) -> None:
    large = png("x" * 1_500_000)
    await service.client.post(PATH, json={"images": [{"data": encoded(large)}, entry("two")]})
    assert seen(service) == [large, png("two")]

    await service.client.post(PATH, **form(("images", large), ("images", png("two"))))
    assert seen(service) == [large, png("two")]


@pytest.mark.parametrize(
    "text",
    [
        "AAA\t", "AA AA", " AAAA", "AAAA ", "A", "AAAAA", "AA=", "A===", "AAAA=", "AAAA==", "AAAA====", "AA==AAAA",
        "=AAA", "AA=A", "====", "A+A-", "A/A_", "ÄÄÄÄ", "柯基犬猫", "AA\x00A", "AAA%3D", "data:", "data:,AAAA",
        "data:image/png,AAAA", "data:image/png;base64", "data:image/png;base64,AA AA", "data:image/png;base64;x=1,AAAA",
        "data:image/png;base64,data:image/png;base64,AAAA", "https://example.org/a.png", "file:///etc/passwd",
    ],
    ids=ascii,
)  # fmt: skip
async def test_what_is_not_quite_base64_is_refused(refusing: Any, wrong_fields: Any, text: str) -> None:
    refused = await refusing.post(PATH, json={"images": [{"data": text}, entry("two")]})

    assert wrong_fields(refused) == [("images.0", "bad_base64")]


async def test_large_nonsense_is_refused_as_well(client: Any, wrong_fields: Any) -> None:
    refused = await client.post(PATH, json={"images": [entry("one"), {"data": "A" * 2_000_000 + "!"}]})

    assert wrong_fields(refused) == [("images.1", "bad_base64")]
    assert "AAAAAAAA" not in refused.text


@given(data=st.binary(max_size=200))
def test_whatever_is_encoded_is_decoded(data: bytes) -> None:
    for spelling in (base64.b64encode, base64.urlsafe_b64encode):
        text = spelling(data).decode()

        assert (
            decode_picture(text) == decode_picture(text.rstrip("=")) == decode_picture(f"data:;base64,{text}") == data
        )


@given(text=st.text(max_size=40) | st.text("ABab01+/-_= \n", max_size=12))
def test_whatever_is_decoded_is_what_base64_means(text: str) -> None:
    try:
        data = decode_picture(text)
    except (binascii.Error, ValueError):
        return
    letters = (
        text.rpartition(",")[2].replace("\n", "").replace("\r", "").rstrip("=").translate(str.maketrans("-_", "+/"))
    )

    assert len(base64.b64encode(data).decode().rstrip("=")) == len(letters)
    assert base64.b64encode(data).decode()[: len(letters) - 1] == letters[:-1]  # the last may have idle bits


def multipart(body: bytes, boundary: str = "; boundary=b") -> dict[str, Any]:
    return {"content": body, "headers": {"Content-Type": f"multipart/form-data{boundary}"}}


def part(name: bytes, content: bytes = b"x", more: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        multipart(b"--b--\r\n", ""),
        multipart(part(b"images") + b"--b--", "; boundary="),
        multipart(b"hello"),
        multipart(part(b"images")),
        multipart(part(b"images")[:30]),
        multipart(part(b"images") + b"--b--", "; boundary=another"),
        multipart(b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--"),
        multipart(b"--b\r\nContent-Disposition: attachment; name=images\r\n\r\nx\r\n--b--"),
        multipart(b"--b\r\n\xff\xfe: x\r\n\r\nx\r\n--b--"),
        multipart(b"--b\nContent-Disposition: form-data; name=images\n\nx\n--b--"),
        multipart(part(b"images", more=b"\r\nX: " + b"x" * 4500) + b"--b--"),
        multipart(part(b"images") * 65 + b"--b--"),
        multipart(part(b"images", more=b"\r\nContent-Length: 99") + b"--b--"),
    ],
    ids=[
        "no boundary", "an empty boundary", "no form", "no end", "half a header", "another boundary", "no name",
        "no form data", "no text", "line feeds", "a long header", "65 parts", "a wrong length",
    ],
)  # fmt: skip
async def test_a_broken_form_is_refused(refusing: Any, wrong_fields: Any, sent: dict[str, Any]) -> None:
    for path in (PATH, "/api/generate/style", "/api/images"):
        assert wrong_fields(await refusing.post(path, **sent)) == [("body", "invalid_form")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.sampled_from([
            b"--b", b"--", b"\r\n", b"\n", b"Content-Disposition: form-data; name=", b'"images"', b'"request"', b"{}",
            b'"image"', b'; filename="a"', b"; filename*=utf-8''%ff", b"Content-Type: text/plain; charset=nope", b"\xff",
            b'{"images": [{}]}', part(b"images"), part(b"request", b"{}"), b"--b--",
        ]),
        max_size=14,
    ).map(b"".join)
)  # fmt: skip
async def test_no_form_whatsoever_is_a_bug(refusing: Any, body: bytes) -> None:
    for path in (PATH, "/api/generate/style", "/api/images"):
        assert (await refusing.post(path, **multipart(body))).status_code == 422


@pytest.mark.parametrize(
    ("request_part", "errors"),
    [
        (b"", [("request", "invalid_json")]),
        (b"{", [("request", "invalid_json")]),
        (b'{"blend_prompt": "\xff"}', [("request", "invalid_json")]),
        (b"[]", [("request", "wrong_type")]),
        (b"null", [("request", "wrong_type")]),
        (b'{"blend_prompt": 5, "image_keys": 6}', [("image_keys", "wrong_type"), ("blend_prompt", "wrong_type")]),
        (b'{"settings": {"resolution": "9K"}}', [("settings.resolution", "unknown_choice")]),
    ],
    ids=str,
)
async def test_what_is_wrong_in_the_request_part_is_named(
    refusing: Any, wrong_fields: Any, request_part: bytes, errors: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await refusing.post(PATH, **form(("images", png()), request=request_part))) == errors


async def test_two_request_parts_are_one_too_many(refusing: Any, wrong_fields: Any) -> None:
    twice = multipart(part(b"request", b"{}") * 2 + b"--b--")

    assert wrong_fields(await refusing.post(PATH, **twice)) == [("request", "too_many")]


async def test_what_stands_before_and_behind_a_form_is_passed_over(service: Any) -> None:
    sent = multipart(b"hello\r\n" + part(b"images", png("1")) + part(b"images", png("2")) + b"--b--\r\nbye\r\n--b--")
    response = await service.client.post(PATH, **sent)

    assert (response.status_code, seen(service)) == (200, [png("1"), png("2")])


async def test_a_file_name_in_another_charset_does_not_spoil_the_form(service: Any) -> None:
    name = b'; filename="\xe4\xd6.png"'
    sent = multipart(part(b"images", png("1"), name) + part(b"images", png("2")) + b"--b--")
    response = await service.client.post(PATH, **sent)

    assert (response.status_code, seen(service)) == (200, [png("1"), png("2")])


@pytest.mark.parametrize("path", [PATH, "/api/generate/style"])
@pytest.mark.parametrize(
    "content_type", ["text/plain", "image/png", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b"]
)
async def test_other_types_are_told_what_is_accepted(
    refusing: Any, is_problem: Any, path: str, content_type: str
) -> None:
    response = await refusing.post(path, content=b"{}", headers={"Content-Type": content_type})
    is_problem(response, 415, "unsupported_media_type")

    assert response.headers["accept"] == "application/json, multipart/form-data"


@pytest.mark.parametrize("path", [PATH, "/api/generate/style"])
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=b", "application/json"])
async def test_no_body_is_refused(refusing: Any, wrong_fields: Any, path: str, content_type: str) -> None:
    assert wrong_fields(await refusing.post(path, headers={"Content-Type": content_type})) == [("body", "missing")]


@pytest.mark.parametrize("path", [PATH, "/api/generate/style"])
async def test_a_form_over_the_limit_is_too_large(refusing: Any, is_problem: Any, path: str) -> None:
    is_problem(await refusing.post(path, **form(("images", bytes(6000)))), 413, "payload_too_large")


async def test_nothing_is_fetched_from_where_a_request_points(service: Any) -> None:
    visits = list[bytes]()

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(b"somebody came")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for scheme in ("http", "https", "ftp", "file", "gopher"):
            address = f"{scheme}://127.0.0.1:{port}/a.png"
            for given in ({"key": address}, {"data": address}, {"url": address}, {"key": "x", "url": address}):
                body = {"content_image": given, "style_image_key": address, "style_prompt": address}
                answer = await service.client.post("/api/generate/style", json=body)

                assert answer.status_code in (404, 422), answer.text

    assert visits == []
