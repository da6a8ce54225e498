"""Which requests are counted for whom, and what every answer says of it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import litestar
import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.core.identity.user import new_guest
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.http.rate_limit import UNLIMITED
from nano_banana_lab.http.scopes import ANY_TOKEN
from nano_banana_lab.testing.frozen_clock import FrozenClock

THREE_A_MINUTE = {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_REQUESTS": "3", "RATE_LIMIT_WINDOW": "60"}
ALICE, BOB = {"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}


@pytest.fixture
async def service(open_service: Any) -> AsyncIterator[Any]:
    async with open_service(**THREE_A_MINUTE) as running:
        yield running


def standing(response: httpx.Response) -> tuple[str | None, ...]:
    names = ("limit", "remaining", "reset", "policy")
    return tuple(response.headers.get(f"ratelimit-{name}") for name in names)


NOT_COUNTED = (None, None, None, None)


async def get(
    service: Any, path: str = "/api/history", *, address: str = "192.0.2.1", **headers: str
) -> httpx.Response:
    transport = httpx.ASGITransport(app=service.app, client=(address, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://lab.test") as client:
        return await client.get(path, headers=headers)


async def test_answers_say_where_the_caller_stands(service: Any) -> None:
    service.clock.advance(15)

    assert standing(await get(service)) == ("3", "2", "45", "3;w=60")
    assert standing(await get(service)) == ("3", "1", "45", "3;w=60")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", f"/api/history/{'0' * 32}", {}, 404),
        ("GET", "/api/history?limit=0", {}, 422),
        ("POST", "/api/generate", {"json": {"prompt": "a corgi"}, "headers": {"Idempotency-Key": "x" * 256}}, 422),
        ("POST", "/api/generate", {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("HEAD", "/api/history", {}, 200),
    ],
)
async def test_so_do_errors_wherever_they_come_from(
    service: Any, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    response = await service.client.request(method, path, **options)

    assert (response.status_code, standing(response)) == (status, ("3", "2", "60", "3;w=60"))


async def test_a_refusal_is_a_problem_that_says_when_to_come_back(service: Any, is_problem: Any) -> None:
    for _ in range(3):
        assert (await get(service)).status_code == 200
    service.clock.advance(18.5)
    response = await get(service)

    problem = is_problem(response, 429, "rate_limit_exceeded")
    assert (response.headers["retry-after"], standing(response)) == ("42", ("3", "0", "42", "3;w=60"))
    assert problem["error"]["details"] == {"limit": 3, "window_seconds": 60, "retry_after": 42}
    assert problem["detail"] == "Too many requests; please try again in 42 seconds."


async def test_in_the_next_window_one_may_ask_again(service: Any) -> None:
    refused = [(await get(service)).status_code for _ in range(4)]
    service.clock.advance(60)

    assert [*refused, (await get(service)).status_code] == [200, 200, 200, 429, 200]


async def test_users_count_by_name_from_wherever_they_ask(service: Any) -> None:
    places = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1"]

    assert [(await get(service, address=place, **ALICE)).status_code for place in places] == [200, 200, 200, 429]
    assert (await get(service, address="192.0.2.1", **BOB)).status_code == 200


async def test_collecting_guest_tokens_gains_a_tenfold_and_no_more(service: Any, is_problem: Any) -> None:
    answers = [await get(service, Authorization=f"Bearer {new_guest().owner}") for _ in range(36)]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429] * 6
    assert standing(answers[0]) == ("3", "2", "60", "3;w=60")
    assert standing(answers[28]) == ("30", "1", "60", "30;w=60")
    assert is_problem(answers[30], 429, "rate_limit_exceeded")["error"]["details"]["limit"] == 30


async def test_without_a_name_one_counts_by_address(service: Any) -> None:
    for _ in range(4):
        refused = await get(service, address="192.0.2.1")

    assert refused.status_code == 429
    assert (await get(service, address="192.0.2.2")).status_code == 200
    assert (await get(service, address="192.0.2.1", **ALICE)).status_code == 200


class OnlyAlice:
    """Somebody who knows one token."""

    async def __call__(self, token: str | None) -> Bearer:
        if token != "alice":
            raise AuthenticationFailed
        return Bearer(owner=OwnerId(token))


async def test_tokens_that_do_not_hold_count_by_address_however_many_are_tried(
    open_service: Any, is_problem: Any
) -> None:
    async with open_service(identify=OnlyAlice(), **THREE_A_MINUTE) as service:
        tries = [await get(service, Authorization=f"Bearer guess-{number}") for number in range(4)]
        alice = await get(service, **ALICE)

    assert [standing(tried)[1] for tried in tries] == ["2", "1", "0", "0"]
    is_problem(tries[2], 401, "authentication_failed")
    is_problem(tries[3], 429, "rate_limit_exceeded")
    assert (alice.status_code, standing(alice)[1]) == (200, "2")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/docs", "/openapi.json", "/metrics", "/docs/assets/swagger-ui.css", "/nothing/here",
        "/api/health", "/api/health/live", "/api/health/ready", "/api/health/detailed",
    ],
)  # fmt: skip
async def test_pages_and_probes_are_not_counted(service: Any, path: str) -> None:
    answers = [await service.client.get(path) for _ in range(4)]

    assert {(each.status_code, standing(each)) for each in answers} == {(answers[0].status_code, NOT_COUNTED)}
    assert answers[0].status_code in (200, 404)


@pytest.mark.parametrize("query", ["", "?size=thumb", "?download=1"])
async def test_the_bytes_of_pictures_are_not_counted(service: Any, query: str) -> None:
    picture = await service.kept()
    answers = [await service.client.get(f"/api/history/{picture.id}/image{query}") for _ in range(4)]

    assert [(each.status_code, standing(each)) for each in answers] == [(200, NOT_COUNTED)] * 4


@pytest.mark.parametrize(("opt", "counted"), [({"unlimited": False}, True), (UNLIMITED, False), ({}, True)], ids=str)
async def test_a_route_is_counted_unless_it_says_that_it_is_unlimited(
    service: Any, opt: dict[str, Any], *, counted: bool
) -> None:
    @litestar.get("/api/new", opt={**opt, **ANY_TOKEN})
    async def new() -> str:
        return "new"

    service.app.register(new)
    response = await get(service, "/api/new")

    assert (response.status_code, standing(response) != NOT_COUNTED) == (200, counted)


async def test_asking_what_is_allowed_is_not_counted(service: Any) -> None:
    answers = [await service.client.options("/api/history") for _ in range(4)]

    assert [(each.status_code, standing(each)) for each in answers] == [(204, NOT_COUNTED)] * 4


async def test_web_pages_may_read_where_they_stand(service: Any) -> None:
    response = await get(service, Origin="https://app.test")
    exposed = response.headers["access-control-expose-headers"].lower().split(", ")

    assert set(exposed) >= {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy"}


@pytest.fixture
def no_commits(unreliable: Any, mishap: Any) -> Any:
    """A store that reads and does not write."""
    return unreliable(MemoryKeyValueStore(FrozenClock()), mishap(StoreUnavailable("key value store"), "commit"))


async def test_without_the_store_nobody_passes_and_it_is_asked_once(
    open_service: Any, no_commits: Any, is_problem: Any
) -> None:
    async with open_service(key_values=no_commits, **THREE_A_MINUTE) as service:
        response = await get(service)

    is_problem(response, 503, "service_unavailable")
    assert (response.headers["retry-after"], standing(response)) == ("5", NOT_COUNTED)
    assert no_commits.mishap.seen == 1


async def test_without_the_store_probes_and_pictures_are_answered(open_service: Any, no_commits: Any) -> None:
    async with open_service(key_values=no_commits, **THREE_A_MINUTE) as service:
        statuses = [
            (await get(service, path)).status_code for path in ("/api/health/live", f"/api/history/{'0' * 32}/image")
        ]

    assert (statuses, no_commits.mishap.seen) == ([200, 404], 0)


async def test_switched_off_nothing_is_counted_or_written(open_service: Any, no_commits: Any) -> None:
    async with open_service(key_values=no_commits, RATE_LIMIT_REQUESTS="3") as service:
        answers = [await get(service) for _ in range(4)]

    assert [(each.status_code, standing(each)) for each in answers] == [(200, NOT_COUNTED)] * 4
    assert no_commits.mishap.seen == 0
