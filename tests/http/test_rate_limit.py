"""How often one may ask, who counts as one, and what every answer says of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.http.rate_limit import RateLimit, RateLimited, counted_as
from nano_banana_lab.testing.frozen_clock import START, FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer

THREE_A_MINUTE = {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_REQUESTS": "3", "RATE_LIMIT_WINDOW": "60"}
ALICE, BOB = {"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}


def three_a_minute(clock: FrozenClock, store: Any = None) -> RateLimit:
    return RateLimit(store or MemoryKeyValueStore(clock), clock, requests=3, window_seconds=60)


async def outcome(limit: RateLimit, who: str = "address/192.0.2.1") -> int | None:
    """How many requests are left; None when this one was refused."""
    try:
        return (await limit.count(who)).remaining
    except RateLimited:
        return None


async def test_so_many_requests_pass_in_a_window() -> None:
    limit = three_a_minute(FrozenClock())

    assert [await outcome(limit) for _ in range(5)] == [2, 1, 0, None, None]


async def test_callers_do_not_count_for_each_other() -> None:
    limit = three_a_minute(FrozenClock())
    for _ in range(4):
        await outcome(limit, "owner/alice")

    assert await outcome(limit, "owner/bob") == 2


async def test_windows_begin_at_multiples_of_their_length() -> None:
    clock = FrozenClock()
    limit = three_a_minute(clock)
    clock.advance(59.999)
    seen = [await outcome(limit) for _ in range(4)]
    clock.advance(0.001)

    assert [*seen, await outcome(limit)] == [2, 1, 0, None, 2]


@pytest.mark.parametrize(("seconds", "resets_in"), [(0, 60), (0.5, 60), (1, 59), (58.9, 2), (59, 1), (59.999, 1)])
async def test_the_time_left_is_in_whole_seconds_and_never_none(seconds: float, resets_in: int) -> None:
    clock = FrozenClock()
    clock.advance(seconds)

    assert (await three_a_minute(clock).count("me")).resets_in == resets_in


async def test_a_refusal_says_when_to_come_back() -> None:
    clock = FrozenClock()
    limit = three_a_minute(clock)
    clock.advance(20)
    for _ in range(3):
        await limit.count("me")
    with pytest.raises(RateLimited) as refused:
        await limit.count("me")

    assert (refused.value.retry_after, refused.value.standing.remaining) == (40, 0)
    assert refused.value.details == {"limit": 3, "window_seconds": 60, "retry_after": 40}


async def test_a_process_whose_clock_is_behind_counts_in_the_same_window() -> None:
    true, ahead, behind = FrozenClock(), FrozenClock(START), FrozenClock(START)
    store = MemoryKeyValueStore(true)
    for _ in range(3):
        await three_a_minute(ahead, store).count("me")
    true.advance(89)  # for the one that is half a minute behind, 59 seconds have passed
    behind.advance(59)

    assert await outcome(three_a_minute(behind, store)) == 2
    assert await outcome(three_a_minute(behind, store), "me") is None


async def test_nothing_is_kept_of_windows_that_are_over() -> None:
    clock = FrozenClock()
    store = MemoryKeyValueStore(clock)
    await three_a_minute(clock, store).count("me")
    key = f"rate/{int(START.timestamp())}/me"
    kept = await store.counters(key)
    clock.advance(91)

    assert (kept, await store.counters(key)) == ({"requests": 1}, {})


async def test_of_racing_requests_exactly_as_many_pass_as_may(redis_server: RedisServer) -> None:
    redis_server.flush()
    clients = [connect(redis_server.url) for _ in range(2)]
    clock = FrozenClock()
    limits = [RateLimit(RedisKeyValueStore(each), clock, requests=25, window_seconds=60) for each in clients]
    seen = await asyncio.gather(*(outcome(limits[n % 2]) for n in range(80)))
    for client in clients:
        await client.aclose()

    assert sorted(left for left in seen if left is not None) == list(range(25))
    assert seen.count(None) == 55


@pytest.mark.parametrize(
    ("owner", "address", "name"),
    [
        (OwnerId("6fac44aa6f9ae93e"), "192.0.2.1", "owner/6fac44aa6f9ae93e"),
        (ANONYMOUS, "192.0.2.1", "address/192.0.2.1"),
        (None, "192.0.2.1", "address/192.0.2.1"),
        (None, "::ffff:192.0.2.1", "address/192.0.2.1"),
        (None, "2001:db8:1:2:3:4:5:6", "address/2001:db8:1:2::/64"),
        (None, "2001:DB8:1:2:ffff::1", "address/2001:db8:1:2::/64"),
        (None, "2001:db8:1:3::", "address/2001:db8:1:3::/64"),
        (None, "fe80::1%eth0", "address/fe80::/64"),
        (None, None, "address/unknown"),
        (None, "", "address/unknown"),
        (None, "unknown", "address/unknown"),
        (None, "192.0.2.1, 192.0.2.2", "address/unknown"),
        (None, "x" * 5000, "address/unknown"),
        (None, "owner/6fac44aa6f9ae93e", "address/unknown"),
    ],
)
def test_a_request_counts_for_its_owner_or_for_the_network_it_came_from(
    owner: OwnerId | None, address: str | None, name: str
) -> None:
    assert counted_as(owner, address) == name


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


async def test_without_a_name_one_counts_by_address(service: Any) -> None:
    for _ in range(4):
        refused = await get(service, address="192.0.2.1")

    assert refused.status_code == 429
    assert (await get(service, address="192.0.2.2")).status_code == 200
    assert (await get(service, address="192.0.2.1", **ALICE)).status_code == 200


class OnlyAlice:
    """Somebody who knows one token."""

    async def __call__(self, token: str | None) -> OwnerId:
        if token != "alice":
            raise AuthenticationFailed
        return OwnerId(token)


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
