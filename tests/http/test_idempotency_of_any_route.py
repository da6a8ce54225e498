"""`Idempotency-Key` on routes of every kind: forms, tasks that run on, streams; and what makes a key."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from dishka import Provider, Scope, make_async_container
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar, Request, Response, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, MultipartBody
from litestar.response import Stream

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner, SingleOwner
from nano_banana_lab.http.errors import EXCEPTION_HANDLERS
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.idempotent_outcomes import IdempotentOutcomes
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.testing.frozen_clock import FrozenClock

IDEMPOTENT: dict[str, Any] = {"middleware": [Idempotency()], "operation_class": IdempotentOperation}


@post("/form", status_code=200, **IDEMPOTENT)
async def form(
    request: Request[Any, Any, Any],
    data: MultipartBody[dict[str, UploadFile]],
) -> dict[str, Any]:
    request.app.state.calls += 1
    return {name: len(await file.read()) for name, file in data.items()}


@post("/task/{number:int}", **IDEMPOTENT)
async def task(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[dict[str, int]]:
    request.app.state.calls += 1
    headers = {"Location": f"/task/{number}", "Preference-Applied": "respond-async", "X-Served-By": "this process"}
    return Response({"number": number}, status_code=202, headers=headers)


@post("/nothing", status_code=204, **IDEMPOTENT)
async def nothing(request: Request[Any, Any, Any]) -> None:
    request.app.state.calls += 1


@post("/stream", status_code=200, **IDEMPOTENT)
async def stream(request: Request[Any, Any, Any]) -> Stream:
    request.app.state.calls += 1

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    return Stream(chunks(), media_type="text/plain")


@pytest.fixture
def app() -> Litestar:
    app = Litestar(
        [form, task, nothing, stream],
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=LabRequest,
        logging_config=None,
    )
    app.state.calls = 0
    app.state.default_language = "en"
    return app


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    kept = IdempotentOutcomes(key_values=MemoryKeyValueStore(FrozenClock()), paid_calls=PaidCalls(), ttl_seconds=86400)
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: kept, provides=IdempotentOutcomes)
    provider.provide(SingleOwner, provides=IdentifyOwner)
    container = make_async_container(provider)

    async def with_container(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {"dishka_container": container}}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=with_container), base_url="http://lab.test", headers={"Idempotency-Key": "k"}
    ) as client:
        yield client


def multipart(boundary: str, content: bytes = b"\x89PNG\r\n--not a boundary") -> dict[str, Any]:
    part = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    line = b"--" + boundary.encode()
    return {
        "content": line + b"\r\n" + part + content + b"\r\n" + line + b"--\r\n",
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


async def test_a_form_sent_again_with_another_boundary_is_the_same_request(client: Any, app: Any) -> None:
    first = await client.post("/form", **multipart("aaaa-1111"))
    repeat = await client.post("/form", **multipart("bbbb-22222222"))

    assert (first.status_code, first.json()) == (200, {"image": 22})
    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")
    assert app.state.calls == 1


async def test_a_form_with_another_file_is_another_request(client: Any) -> None:
    await client.post("/form", **multipart("aaaa"))

    assert (await client.post("/form", **multipart("aaaa", b"another"))).status_code == 422


async def test_a_form_that_names_no_boundary_is_refused_like_any_other(client: Any) -> None:
    broken = multipart("aaaa") | {"headers": {"Content-Type": "multipart/form-data"}}

    assert (await client.post("/form", **broken)).status_code == 422
    assert (await client.post("/form", **multipart("aaaa"))).status_code == 200


async def test_a_replay_leads_to_the_same_task(client: Any, app: Any) -> None:
    first, repeat = [await client.post("/task/7", headers={"Prefer": "respond-async"}) for _ in range(2)]

    assert (repeat.status_code, repeat.json()) == (first.status_code, first.json()) == (202, {"number": 7})
    for name in ("location", "preference-applied", "content-type", "content-length"):
        assert repeat.headers[name] == first.headers[name]
    assert "x-served-by" not in repeat.headers
    assert app.state.calls == 1


@pytest.mark.parametrize(
    "other",
    [
        {"url": "/task/8"},
        {"url": "/stream"},
        {"params": {"a": "1"}},
        {"headers": {"Prefer": "respond-async"}},
        {"content": b"{}"},
        {"headers": {"Content-Type": "text/plain"}},
    ],
    ids=str,
)
async def test_what_asks_for_something_else_is_another_request(client: Any, app: Any, other: dict[str, Any]) -> None:
    await client.post("/task/7")

    assert (await client.post(**{"url": "/task/7", **other})).status_code == 422
    assert app.state.calls == 1


async def test_what_changes_nothing_of_the_request_does_not_matter(client: Any) -> None:
    await client.post("/task/7", content=b"{}", headers={"Content-Type": "application/json"})
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-ID": "r2", "User-Agent": "another"}
    repeat = await client.post("/task/7", content=b"{}", headers=headers)

    assert repeat.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("types", [("application/json", None), (None, "application/json")], ids=str)
async def test_a_body_that_is_not_named_is_json(client: Any, app: Any, types: tuple[str | None, str | None]) -> None:
    for media_type in types:
        headers = {"Content-Type": media_type} if media_type else {}
        last = await client.post("/task/7", content=b"{}", headers=headers)

    assert (last.status_code, last.headers["idempotency-replayed"], app.state.calls) == (202, "true", 1)


@pytest.mark.parametrize(("path", "status", "body"), [("/stream", 200, b"one two"), ("/nothing", 204, b"")])
async def test_any_body_is_replayed_whole(client: Any, app: Any, path: str, status: int, body: bytes) -> None:
    first, repeat = [await client.post(path) for _ in range(2)]

    assert (first.status_code, first.content) == (repeat.status_code, repeat.content) == (status, body)
    assert app.state.calls == 1


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("", "blank"),
        (" \t ", "blank"),
        ("x" * 256, "too_long"),
        ("schlüssel".encode("latin-1"), "bad_characters"),
        (b"\xa0k\xa0", "bad_characters"),
        (b"a\tb", "bad_characters"),
        (b"a\x7fb", "bad_characters"),
    ],
)
async def test_what_is_no_key_is_refused(client: Any, app: Any, key: str | bytes, kind: str) -> None:
    refused = await client.post("/task/7", headers={"Idempotency-Key": key})

    assert [(error["field"], error["type"]) for error in refused.json()["error"]["details"]["errors"]] == [
        ("Idempotency-Key", kind)
    ]
    assert (refused.status_code, app.state.calls) == (422, 0)


async def test_two_keys_are_refused(client: Any) -> None:
    del client.headers["Idempotency-Key"]
    refused = await client.post("/task/7", headers=[("Idempotency-Key", "k"), ("idempotency-key", "k")])

    assert (refused.status_code, refused.json()["detail"]) == (422, "Idempotency-Key: Send this header once.")


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b, c", "../*?[]{}%s"])
async def test_any_printable_key_will_do_and_blanks_around_it_do_not_count(client: Any, app: Any, key: str) -> None:
    await client.post("/task/7", headers={"Idempotency-Key": key})
    repeat = await client.post("/task/7", headers={"Idempotency-Key": f"  {key}\t"})

    assert (repeat.headers["idempotency-replayed"], app.state.calls) == ("true", 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.binary(max_size=300) | st.text(st.characters(max_codepoint=126), max_size=300).map(str.encode))
async def test_no_key_whatsoever_is_a_bug(client: Any, key: bytes) -> None:
    trimmed = key.strip(b" \t")
    is_key = 0 < len(trimmed) <= 255 and all(0x20 <= byte <= 0x7E for byte in trimmed)

    answer = await client.post("/task/7", headers={"Idempotency-Key": key})
    assert answer.status_code == (202 if is_key else 422)
