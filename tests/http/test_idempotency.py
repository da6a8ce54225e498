"""`Idempotency-Key` on `POST /api/generate`: a repeat gets the first outcome and spends nothing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.exceptions import LitestarException
from litestar.types import Message

from nano_banana_lab.core.generation.ports import ContentBlocked, NoImage, UpstreamFailed, UpstreamRateLimited
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage import insist
from nano_banana_lab.core.storage.lease import LEASE_SECONDS
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.http.errors import STATUS_BY_CODE

DOWN = StoreUnavailable("key-value store")
CLAIM, KEEP = 1, 3
"""Which commits of a successful request are about its key; the one between enters the picture in the history."""


async def generate(service: Any, key: str | None = "k1", *, prompt: Any = "a corgi", owner: str = "") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    headers |= {"Authorization": f"Bearer {owner}"} if owner else {}
    return await service.client.post("/api/generate", json={"prompt": prompt}, headers=headers)


def is_replay(response: httpx.Response, of: httpx.Response) -> bool:
    same = (response.status_code, response.content) == (of.status_code, of.content)
    return same and response.headers.get("idempotency-replayed") == "true"


async def test_a_repeat_gets_the_first_answer_and_spends_nothing(service: Any) -> None:
    first = await generate(service)
    repeat = await generate(service)

    assert (first.status_code, "idempotency-replayed" in first.headers) == (200, False)
    assert is_replay(repeat, first)
    assert len(service.model.requests) == 1
    assert (await service.client.get("/api/history")).json()["total"] == 1


async def test_a_replay_is_a_response_of_its_own(service: Any) -> None:
    first, repeat = await generate(service), await generate(service)

    assert set(repeat.headers) - set(first.headers) == {"idempotency-replayed"}
    assert set(first.headers) - set(repeat.headers) == set()
    assert repeat.headers["x-request-id"] != first.headers["x-request-id"]
    assert repeat.headers["content-length"] == str(len(first.content))


async def test_without_the_header_every_request_makes_a_picture_and_nothing_is_remembered(
    open_service: Any, service: Any, unreliable: Any, mishap: Any
) -> None:
    counting = mishap(DOWN, "commit", at=1000)
    async with open_service(key_values=unreliable(service.key_values, counting)) as counted:
        answers = [await generate(counted, None) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (len(counted.model.requests), counting.seen) == (2, 2)  # one commit enters each picture in the history


async def test_ten_identical_requests_at_once_make_one_picture(service: Any) -> None:
    answers = await asyncio.gather(*[generate(service) for _ in range(10)])

    (made,) = [each for each in answers if each.status_code == 200 and "idempotency-replayed" not in each.headers]
    assert all(each.status_code == 409 or is_replay(each, made) for each in answers if each is not made)
    assert len(service.model.requests) == 1
    assert is_replay(await generate(service), made)


async def test_a_repeat_while_the_first_still_runs_is_told_to_come_back(service: Any, is_problem: Any) -> None:
    async with held(service) as first:
        early = [await generate(service) for _ in range(3)]

    for answer in early:
        is_problem(answer, 409, "idempotency_conflict")
        assert answer.headers["retry-after"] == "5"
    assert is_replay(await generate(service), await first)


async def test_a_key_stands_for_one_request(service: Any, wrong_fields: Any) -> None:
    first = await generate(service)
    other = await generate(service, prompt="a cat")

    assert wrong_fields(other) == [("Idempotency-Key", "used_for_another_request")]
    assert is_replay(await generate(service), first)
    assert len(service.model.requests) == 1


async def test_another_request_is_told_so_also_while_the_first_still_runs(service: Any, wrong_fields: Any) -> None:
    async with held(service):
        other = await generate(service, prompt="a cat")

    assert wrong_fields(other) == [("Idempotency-Key", "used_for_another_request")]


async def test_each_owner_has_keys_of_their_own(service: Any) -> None:
    alice, bob = await generate(service, owner="alice"), await generate(service, owner="bob", prompt="a cat")

    assert (alice.json()["prompt"], bob.json()["prompt"]) == ("a corgi", "a cat")
    assert is_replay(await generate(service, owner="alice"), alice)
    assert is_replay(await generate(service, owner="bob", prompt="a cat"), bob)


@pytest.mark.parametrize("error", [ContentBlocked(), NoImage(), UpstreamFailed(), UpstreamRateLimited(retry_after=3)])
async def test_a_request_without_a_picture_frees_its_key(service: Any, error: Any) -> None:
    service.model.then(error)
    failed = await generate(service)
    again = await generate(service)

    assert failed.status_code == STATUS_BY_CODE[error.code]
    assert (again.status_code, len(service.model.requests)) == (200, 2)


async def test_a_bug_frees_the_key(service: Any) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("a bug")

    service.model.then(broken)

    assert [(await generate(service)).status_code for _ in range(2)] == [500, 200]


async def test_a_wrong_body_frees_the_key_for_the_right_one(service: Any) -> None:
    refused = await generate(service, prompt=7)
    mended = await generate(service)

    assert (refused.status_code, mended.status_code) == (422, 200)


async def test_what_was_no_json_frees_the_key(service: Any) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "text/plain"}
    refused = await service.client.post("/api/generate", content=b"a corgi", headers=headers)

    assert (refused.status_code, (await generate(service)).status_code) == (415, 200)


async def test_a_process_that_dies_frees_the_key_within_a_minute(service: Any, process_died: Any) -> None:
    def die(_: Any) -> Any:
        raise process_died

    service.model.then(die)
    with pytest.raises(process_died):
        await generate(service)
    service.clock.advance(LEASE_SECONDS - 1)
    early = await generate(service)
    service.clock.advance(1)

    assert (early.status_code, (await generate(service)).status_code) == (409, 200)


async def test_an_outcome_is_kept_as_long_as_configured_and_no_longer(open_service: Any) -> None:
    async with open_service(IDEMPOTENCY_TTL_SECONDS="3600") as service:
        first = await generate(service)
        service.clock.advance(3599)
        last = await generate(service)
        service.clock.advance(1)

        assert is_replay(last, first)
        assert (await generate(service)).json()["id"] != first.json()["id"]


async def test_a_body_over_the_limit_is_refused_and_claims_nothing(open_service: Any, is_problem: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"prompt": "' + b"x" * 5000

    async with open_service(MAX_REQUEST_BYTES="5000") as service:
        announced = await generate(service, prompt="x" * 5000)
        streamed = await service.client.post("/api/generate", content=chunks(), headers={"Idempotency-Key": "k1"})

        is_problem(announced, 413, "payload_too_large")
        is_problem(streamed, 413, "payload_too_large")
        assert (await generate(service)).status_code == 200


async def test_a_client_that_hangs_up_finds_the_outcome_when_it_comes_back(service: Any) -> None:
    async with held(service) as first:
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
    await (await service.paid_calls).finish(60)

    assert (await generate(service)).headers["idempotency-replayed"] == "true"
    assert len(service.model.requests) == 1


async def test_an_answer_that_cannot_be_sent_is_kept_all_the_same(service: Any) -> None:
    async def broken_pipe(_: Message) -> None:
        raise BrokenPipeError

    request = service.client.build_request(
        "POST", "/api/generate", json={"prompt": "a corgi"}, headers={"Idempotency-Key": "k1"}
    )
    with pytest.raises(LitestarException, match="after response started"):
        await service.app(scope_of(request), receiving(request.content), broken_pipe)

    assert (await generate(service)).headers["idempotency-replayed"] == "true"
    assert len(service.model.requests) == 1


async def test_the_outcome_is_kept_before_the_client_hears_of_it(service: Any) -> None:
    repeats: list[httpx.Response] = []

    async def repeat_at_once(message: Message) -> None:
        if message["type"] == "http.response.body":
            repeats.append(await generate(service))

    request = service.client.build_request(
        "POST", "/api/generate", json={"prompt": "a corgi"}, headers={"Idempotency-Key": "k1"}
    )
    await service.app(scope_of(request), receiving(request.content), repeat_at_once)

    assert [each.headers["idempotency-replayed"] for each in repeats] == ["true"]


async def test_no_store_no_generation(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, is_problem: Any
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "commit", at=CLAIM, times=1))
    async with open_service(key_values=broken) as ailing:
        is_problem(await generate(ailing), 503, "service_unavailable")

        assert ailing.model.requests == []
        assert (await generate(ailing)).status_code == 200


async def test_a_claim_that_nobody_heard_of_is_let_go_within_a_minute(
    open_service: Any, service: Any, unreliable: Any, mishap: Any
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "commit", at=CLAIM, times=1, applied=True))
    async with open_service(key_values=broken, clock=service.clock) as ailing:
        early = [(await generate(ailing)).status_code for _ in range(2)]
        ailing.clock.advance(LEASE_SECONDS)

        assert (early, (await generate(ailing)).status_code) == ([503, 409], 200)


async def test_an_outcome_that_cannot_be_kept_is_delivered_and_logged(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "commit", at=KEEP, times=1 + len(insist.RETRY_AFTER_SECONDS)))
    async with open_service(key_values=broken, clock=service.clock) as ailing:
        delivered, early = await generate(ailing), await generate(ailing)
        ailing.clock.advance(LEASE_SECONDS)
        later = await generate(ailing)

    assert [each.status_code for each in (delivered, early, later)] == [200, 409, 200]
    assert [record.why for record in warnings(caplog)] == ["the store is away"]
    assert later.json()["id"] != delivered.json()["id"]


@pytest.mark.parametrize("applied", [False, True], ids=["before it was done", "after it was done"])
async def test_an_outcome_is_kept_by_a_store_that_fails_once_just_then(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, caplog: pytest.LogCaptureFixture, *, applied: bool
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "commit", at=KEEP, times=1, applied=applied))
    async with open_service(key_values=broken) as ailing:
        delivered = await generate(ailing)

        assert is_replay(await generate(ailing), delivered)
    assert warnings(caplog) == []


async def test_a_failure_is_told_also_when_its_key_cannot_be_freed(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, is_problem: Any
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "commit", at=CLAIM + 1))
    async with open_service(key_values=broken) as ailing:
        ailing.model.then(ContentBlocked())

        is_problem(await generate(ailing), 400, "content_blocked")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(
        st.tuples(st.sampled_from(["a", "A", "a b", "~", "x" * 255]), st.sampled_from(["a corgi", "a cat", " "])),
        max_size=12,
    )
)
async def test_whatever_is_asked_in_whatever_order_each_key_has_one_outcome(service: Any, asked: Any) -> None:
    owner, before = new_id(), len(service.model.requests)
    first: dict[str, tuple[str, httpx.Response]] = {}
    for key, prompt in asked:
        answer = await generate(service, key, prompt=prompt, owner=owner)
        if key in first and first[key][0] == prompt:
            assert is_replay(answer, first[key][1])
        elif key in first or prompt == " ":
            assert answer.status_code == 422
        else:
            first[key] = (prompt, answer)

    assert [answer.status_code for _, answer in first.values()] == [200] * len(first)
    assert len(service.model.requests) - before == len(first)


@contextlib.asynccontextmanager
async def held(service: Any) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A first request, being worked on until this ends."""
    service.model.hold()
    first = asyncio.create_task(generate(service))
    await service.model.calls_begun(1)
    try:
        yield first
    finally:
        service.model.release()
        await asyncio.wait([first])


def warnings(caplog: pytest.LogCaptureFixture) -> list[Any]:
    found = [record for record in caplog.records if record.name.endswith("storage.lease")]
    assert all(record.levelno == logging.WARNING for record in found)
    return found


def scope_of(request: httpx.Request) -> Any:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": ("lab.test", 80),
    }


def receiving(body: bytes) -> Any:
    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
