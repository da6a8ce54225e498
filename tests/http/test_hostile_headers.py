"""Whatever bytes a header brings, the answer is a documented one and never a 5xx."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.pictures import png

LISTENED_TO = [
    "Accept", "Accept-Language", "Authorization", "Content-Type", "Cookie", "Idempotency-Key", "If-None-Match", "If-Range",
    "Last-Event-ID", "Origin", "Prefer", "Range", "X-API-Key", "X-Forwarded-For", "X-Request-ID",
]  # fmt: skip
PIECES = [
    b"bytes=", b"-", b"0", b"5", b"9" * 30, b",", b";", b"=", b"*", b'"', b"W/", b"q=", b"q=0.5", b"zh", b"en-US", b"Bearer ",
    b"eyJhbGciOiJub25lIn0", b".", b"respond-async", b"wait=", b"multipart/form-data", b"boundary", b"application/json", b"image/png",
    b"charset", b"utf-16", b"\xff", b"\xc3\xa9", b"\t", b" ", b"a" * 300, b"null", b"https://evil.example",
]  # fmt: skip
VALUES = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join) | st.binary(max_size=40)
HEADERS = st.lists(st.tuples(st.sampled_from(LISTENED_TO), VALUES), min_size=1, max_size=3)
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def signed_out(open_service: Any) -> AsyncIterator[Any]:
    """A client of a lab that reads real tokens, of which it has none."""
    async with open_service(identify=None, AUTH_ENABLED="true", CORS_ORIGINS="https://app.example.org") as service:
        yield service.client


@often
@given(headers=HEADERS)
async def test_no_header_whatsoever_is_a_bug(service: Any, headers: list[tuple[str, bytes]]) -> None:
    kept = await service.kept()
    for method, path, body in (
        ("GET", f"/api/history/{kept.id}/image", b""),
        ("GET", "/api/history", b""),
        ("POST", "/api/images", png()),
        ("POST", "/api/generate", b'{"prompt": "a corgi"}'),
        ("POST", "/api/generate/blend", b"--b\r\n"),
        ("OPTIONS", "/api/generate", b""),
        ("GET", f"/api/generate/task/{'0' * 32}/events", b""),
        ("GET", "/nowhere", b""),
    ):
        answer = await service.client.request(method, path, headers=headers, content=body)

        assert answer.status_code < 500, answer.text
        assert ID.fullmatch(answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"


@often
@given(headers=HEADERS, authorization=VALUES)
async def test_no_header_whatsoever_opens_a_door(
    signed_out: Any, headers: list[tuple[str, bytes]], authorization: bytes
) -> None:
    for method, path in (("GET", "/api/history"), ("POST", "/api/generate"), ("GET", "/api/auth/me")):
        answer = await signed_out.request(method, path, headers=[*headers, ("Authorization", authorization)])

        assert answer.status_code == 401, answer.text
        assert "access-control-allow-origin" not in answer.headers


@often
@given(first=st.integers(0, 10**19) | st.just(""), last=st.integers(0, 10**19) | st.just(""))
async def test_a_range_is_what_it_says_or_refused_or_all(service: Any, first: int | str, last: int | str) -> None:
    kept = await service.kept()
    whole = (await service.client.get(f"/api/history/{kept.id}/image")).content
    near = [end if end == "" or end > 10**17 else int(end) % (len(whole) + 3) for end in (first, last)]
    answer = await service.client.get(f"/api/history/{kept.id}/image", headers={"Range": f"bytes={near[0]}-{near[1]}"})

    assert answer.status_code in (200, 206, 416)
    if answer.status_code == 206:
        begin, end, size = map(int, re.findall(r"\d+", answer.headers["content-range"]))
        assert (answer.content, size) == (whole[begin : end + 1], len(whole))
        assert begin == (near[0] if near[0] != "" else max(0, size - int(near[1])))
    elif answer.status_code == 200:
        assert answer.content == whole
