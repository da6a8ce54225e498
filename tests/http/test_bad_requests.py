"""Whatever is sent, the answer is the documented error object, and never a 500."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, [("prompt", "missing")]),
        ({"prompt": ""}, [("prompt", "blank")]),
        ({"prompt": " \n\t\u3000"}, [("prompt", "blank")]),
        ({"prompt": "x" * 2001}, [("prompt", "too_long")]),
        ({"prompt": None}, [("prompt", "wrong_type")]),
        ({"prompt": 5}, [("prompt", "wrong_type")]),
        ({"prompt": ["x"]}, [("prompt", "wrong_type")]),
        ({"prompt": {"text": "x"}}, [("prompt", "wrong_type")]),
        ({"prompt": "x", "settings": None}, [("settings", "wrong_type")]),
        ({"prompt": "x", "settings": []}, [("settings", "wrong_type")]),
        ({"prompt": "x", "settings": {"aspect_ratio": "7:1"}}, [("settings.aspect_ratio", "unsupported_choice")]),
        ({"prompt": "x", "settings": {"aspect_ratio": ""}}, [("settings.aspect_ratio", "unsupported_choice")]),
        ({"prompt": "x", "settings": {"aspect_ratio": 1.5}}, [("settings.aspect_ratio", "wrong_type")]),
        ({"prompt": "x", "settings": {"resolution": "8K"}}, [("settings.resolution", "unknown_choice")]),
        ({"prompt": "x", "settings": {"resolution": "1k"}}, [("settings.resolution", "unknown_choice")]),
        ({"prompt": "x", "settings": {"resolution": None}}, [("settings.resolution", "wrong_type")]),
        ({"prompt": "x", "settings": {"safety_level": "extreme"}}, [("settings.safety_level", "unknown_choice")]),
        ({"prompt": "x", "include_thinking": "true"}, [("include_thinking", "wrong_type")]),
        ({"prompt": "x", "include_thinking": 1}, [("include_thinking", "wrong_type")]),
        ({"prompt": "x", "include_thinking": None}, [("include_thinking", "wrong_type")]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
async def test_a_wrong_field_is_named(
    refusing: Any, wrong_fields: Any, body: Any, fields: list[tuple[str, str]]
) -> None:
    assert wrong_fields(await refusing.post("/api/generate", json=body)) == fields


async def test_all_wrong_fields_are_named_at_once(refusing: Any, wrong_fields: Any) -> None:
    body = {"settings": {"aspect_ratio": 1, "resolution": "9K", "safety_level": True}, "include_thinking": "yes"}
    response = await refusing.post("/api/generate", json=body)

    assert wrong_fields(response) == [
        ("prompt", "missing"),
        ("settings.aspect_ratio", "wrong_type"),
        ("settings.resolution", "unknown_choice"),
        ("settings.safety_level", "wrong_type"),
        ("include_thinking", "wrong_type"),
    ]
    assert "settings.resolution: This must be one of: 1K, 2K, 4K." in response.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"prompt": "x"',
        b'{"prompt": "x"} trailing',
        b'{"prompt": 5, "settings": {',
        b'{"prompt": NaN}',
        b'{"prompt": "x", "include_thinking": Infinity}',
        b'{"prompt": "\xff\xfe"}',
        b"\xff\xfe\x00",
        b'{"prompt": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{'prompt': 'x'}",
        b'{"prompt": "a\nb"}',
        b'{"prompt": 5, "z": 1e99999}',
    ],
    ids=lambda body: repr(body)[:40],
)
async def test_what_is_not_json_is_refused(refusing: Any, wrong_fields: Any, body: bytes) -> None:
    fields = wrong_fields(await refusing.post("/api/generate", content=body, headers=JSON))

    assert fields == [("body", "invalid_json")]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"prompt"', b"5", b"true"])
async def test_json_that_is_no_object_is_refused(refusing: Any, wrong_fields: Any, body: bytes) -> None:
    fields = wrong_fields(await refusing.post("/api/generate", content=body, headers=JSON))

    assert fields == [("body", "wrong_type")]


@pytest.mark.parametrize("path", ["/api/generate", "/api/generate/estimate"])
async def test_no_body_at_all_is_refused(refusing: Any, wrong_fields: Any, path: str) -> None:
    assert wrong_fields(await refusing.post(path)) == [("body", "missing")]


async def test_of_a_field_given_twice_the_last_counts(service: Any) -> None:
    response = await service.client.post("/api/generate", content=b'{"prompt": "one", "prompt": "two"}', headers=JSON)

    assert response.json()["prompt"] == "two"


async def test_nesting_deeper_than_any_sane_client_sends_is_refused(service: Any, wrong_fields: Any) -> None:
    body = b'{"prompt": "x", "z": ' + b"[" * 90_000 + b"]" * 90_000 + b"}"

    assert wrong_fields(await service.client.post("/api/generate", content=body)) == [("body", "invalid_json")]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "image/png",
        "application/xml",
    ],
)
async def test_other_content_types_are_refused_with_the_accepted_one(
    refusing: Any, is_problem: Any, content_type: str
) -> None:
    response = await refusing.post("/api/generate", content=b'{"prompt":"x"}', headers={"Content-Type": content_type})
    problem = is_problem(response, 415, "unsupported_media_type")

    assert response.headers["accept"] == "application/json"
    assert problem["error"]["details"] == {"accepted": "application/json"}


@pytest.mark.parametrize("content_type", ["nonsense", ";;;", "application/json; charset=latin-1", "/", "\xff"])
async def test_a_broken_content_type_is_no_bug(refusing: Any, content_type: str) -> None:
    headers = [(b"Content-Type", content_type.encode("latin-1"))]
    response = await refusing.post("/api/generate", content=b'{"prompt": ""}', headers=headers)

    assert response.status_code in (415, 422)


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("path", ["/api/generate", "/api/generate/estimate"])
@pytest.mark.parametrize("with_length", [True, False], ids=["with a length", "in pieces"])
async def test_a_body_over_the_limit_is_too_large(
    refusing: Any, is_problem: Any, path: str, *, with_length: bool
) -> None:
    body = b"x" * 7000 if with_length else in_pieces(7000)
    response = await refusing.post(path, content=body, headers=JSON)

    assert ("content-length" in response.request.headers) is with_length
    is_problem(response, 413, "payload_too_large")


async def test_a_body_up_to_the_limit_is_read(refusing: Any, wrong_fields: Any) -> None:
    body = b'{"prompt": ""' + b" " * 4986 + b"}"
    assert len(body) == 5000

    assert wrong_fields(await refusing.post("/api/generate", content=body, headers=JSON)) == [("prompt", "blank")]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET", "PATCH"])
async def test_a_wrong_method_is_told_the_right_ones(refusing: Any, is_problem: Any, method: str) -> None:
    response = await refusing.request(method, "/api/generate")
    is_problem(response, 405, "method_not_allowed")

    assert "POST" in response.headers["allow"].split(", ")


@pytest.mark.parametrize("method", ["FOO", "PROPFIND", "get"])
async def test_a_method_nobody_knows_is_not_allowed(refusing: Any, is_problem: Any, method: str) -> None:
    request = refusing.build_request("GET", "/api/history")
    request.method = method

    is_problem(await refusing.send(request), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/",
        "/api/histories",
        "/api/history/x/y",
        "/%00",
        "/..%2f..%2fetc/passwd",
        "/üñï",
        "/%ff%fe",
    ],
)
async def test_an_unknown_path_is_not_found(refusing: Any, is_problem: Any, path: str) -> None:
    problem = is_problem(await refusing.get(path), 404, "not_found")

    assert problem["instance"].isascii()


@pytest.mark.parametrize("tail", ["", "/image"])
@pytest.mark.parametrize(
    "id",
    [
        "x",
        "0" * 32,
        "%00",
        "a%2Fb",
        "..",
        "%2e%2e%2f",
        "柯基",
        "%F0%9F%8D%8C",
        "x" * 8000,
        "%ff",
        "'; drop table",
        "%0d%0aX: y",
    ],
)
async def test_a_weird_id_is_not_found(refusing: Any, is_problem: Any, id: str, tail: str) -> None:
    response = await refusing.get(f"/api/history/{id}{tail}")

    code = "image_not_found" if response.json()["code"] == "image_not_found" else "not_found"
    is_problem(response, 404, code)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", [("limit", "too_small")]),
        ("limit=-1", [("limit", "too_small")]),
        ("limit=101", [("limit", "too_large")]),
        ("limit=ten", [("limit", "wrong_type")]),
        ("limit=1.5", [("limit", "wrong_type")]),
        ("limit=", [("limit", "wrong_type")]),
        ("limit=" + "9" * 5000, [("limit", "too_large")]),
        ("offset=-1", [("offset", "too_small")]),
        ("offset=99999999999999999999", [("offset", "too_large")]),
        ("offset=x", [("offset", "wrong_type")]),
        ("mode=nope", [("mode", "unknown_choice")]),
        ("mode=BASIC", [("mode", "unknown_choice")]),
        ("sort=up", [("sort", "unknown_choice")]),
        ("sort=", [("sort", "unknown_choice")]),
        ("search=" + "x" * 2001, [("search", "too_long")]),
        ("date_from=yesterday", [("date_from", "bad_time")]),
        ("date_to=2026-13-01", [("date_to", "bad_time")]),
        ("date_to=0001-01-01T00:00:00%2B23:59", [("date_to", "bad_time")]),
        ("limit=0&offset=x&mode=a&sort=b", None),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_a_wrong_query_is_named(
    refusing: Any, wrong_fields: Any, query: str, fields: list[tuple[str, str]] | None
) -> None:
    found = wrong_fields(await refusing.get(f"/api/history?{query}"))

    assert [name for name, _ in found] == (
        [name for name, _ in fields] if fields else ["limit", "offset", "mode", "sort"]
    )
    assert fields is None or found == fields or found[0][1] == "invalid"


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&limit=2",
        "unknown=1",
        "&&&",
        "%zz=%",
        "search=%ff%00%0a",
        "search=🍌",
        "mode=&search=&cursor=",
        "=",
        "?",
    ],
)
async def test_a_strange_query_is_no_bug(refusing: Any, query: str) -> None:
    response = await refusing.get(f"/api/history?{query}")

    assert response.status_code in (200, 422)


@pytest.mark.parametrize("flag", ["include_image=maybe", "include_image="])
async def test_a_flag_is_true_or_false(refusing: Any, wrong_fields: Any, flag: str) -> None:
    assert [name for name, _ in wrong_fields(await refusing.get(f"/api/history/{'0' * 32}?{flag}"))] == [
        "include_image"
    ]


async def test_a_very_long_query_is_no_bug(refusing: Any) -> None:
    response = await refusing.get("/api/history?" + "&".join(f"p{number}={'x' * 50}" for number in range(1000)))

    assert response.status_code == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["prompt", "settings", "resolution", "aspect_ratio", "ids", "mode", "count", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
async def test_no_json_whatsoever_is_a_bug(refusing: Any, body: Any) -> None:
    for method, path in (("POST", "/api/generate"), ("POST", "/api/generate/estimate"), ("DELETE", "/api/history")):
        response = await refusing.request(method, path, json=body)

        assert response.status_code in (200, 422), response.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60))
async def test_no_bytes_whatsoever_are_a_bug(refusing: Any, body: bytes) -> None:
    response = await refusing.post("/api/generate", content=body, headers=JSON)

    assert response.status_code == 422


async def test_a_huge_wrong_body_is_refused_without_being_taken_apart(client: Any, wrong_fields: Any) -> None:
    body = b'{"mode":5,"x":[' + b"[]," * 90_000 + b"0]}"
    response = await client.post("/api/generate/estimate", content=body)

    assert response.status_code == 422
    assert wrong_fields(response) == [("mode", "wrong_type")]


async def test_a_space_between_date_and_time_is_no_offset(client: Any) -> None:
    for text in ("2026-11-22 14:03", "2026-11-22T14:03:05 01:00", "2026-11-22T14:03:05.120 01:00"):
        assert (await client.get("/api/history", params={"date_from": text})).status_code == 200


@pytest.mark.parametrize("entries", [b"{}," * 100_001, b'"",' * 100_001, b"[]," * 100_001])
async def test_a_body_of_countless_little_things_is_refused_before_it_is_taken_apart(
    service: Any, entries: bytes
) -> None:
    body = b'{"prompt": "x", "unknown": [' + entries + b"0]}"
    response = await service.client.post("/api/generate", content=body, headers=JSON)

    assert response.status_code == 422
    assert [(each["field"], each["type"]) for each in response.json()["error"]["details"]["errors"]] == [
        ("body", "too_many")
    ]
