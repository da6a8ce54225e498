"""How often one may ask in a window of time, and who counts as one."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.core.identity.user import new_guest
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.http.rate_limit import (
    GUESTS_OF_ONE_ADDRESS,
    Bucket,
    RateLimit,
    RateLimited,
    Standing,
    buckets_of,
)
from nano_banana_lab.testing.frozen_clock import START, FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer


def three_a_minute(clock: FrozenClock, store: Any = None) -> RateLimit:
    return RateLimit(store or MemoryKeyValueStore(clock), clock, requests=3, window_seconds=60)


async def outcome(limit: RateLimit, who: str = "address/192.0.2.1") -> int | None:
    """How many requests are left; None when this one was refused."""
    try:
        return (await limit.count(Bucket(who))).remaining
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

    assert (await three_a_minute(clock).count(Bucket("me"))).resets_in == resets_in


async def test_a_refusal_says_when_to_come_back() -> None:
    clock = FrozenClock()
    limit = three_a_minute(clock)
    clock.advance(20)
    for _ in range(3):
        await limit.count(Bucket("me"))
    with pytest.raises(RateLimited) as refused:
        await limit.count(Bucket("me"))

    assert (refused.value.retry_after, refused.value.standing.remaining) == (40, 0)
    assert refused.value.details == {"limit": 3, "window_seconds": 60, "retry_after": 40}


async def test_a_process_whose_clock_is_behind_counts_in_the_same_window() -> None:
    true, ahead, behind = FrozenClock(), FrozenClock(START), FrozenClock(START)
    store = MemoryKeyValueStore(true)
    for _ in range(3):
        await three_a_minute(ahead, store).count(Bucket("me"))
    true.advance(89)  # for the one that is half a minute behind, 59 seconds have passed
    behind.advance(59)

    assert await outcome(three_a_minute(behind, store)) == 2
    assert await outcome(three_a_minute(behind, store), "me") is None


async def test_nothing_is_kept_of_windows_that_are_over() -> None:
    clock = FrozenClock()
    store = MemoryKeyValueStore(clock)
    await three_a_minute(clock, store).count(Bucket("me"))
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
    assert buckets_of(owner, address) == (Bucket(name),)


def test_a_guest_counts_by_name_and_with_all_guests_of_the_network() -> None:
    guest = new_guest().owner

    assert buckets_of(guest, "2001:db8:1:2::7") == (Bucket(f"owner/{guest}"), Bucket("guests/2001:db8:1:2::/64", 10))


def guests(number: int, *, address: str = "192.0.2.1") -> list[tuple[Bucket, ...]]:
    return [buckets_of(new_guest().owner, address) for _ in range(number)]


async def test_however_many_guests_come_from_one_address_ten_times_as_much_is_all_they_get() -> None:
    limit = three_a_minute(FrozenClock())
    standings = [await limit.count(*guest) for guest in guests(3 * GUESTS_OF_ONE_ADDRESS)]
    refused = [await refusal(limit, *guest) for guest in guests(20)]

    assert {(standing.limit, standing.remaining) for standing in standings[:28]} == {(3, 2)}
    assert [(standing.limit, standing.remaining) for standing in standings[28:]] == [(30, 1), (30, 0)]
    assert {(standing.limit, standing.remaining) for standing in refused} == {(30, 0)}
    assert (await limit.count(*guests(1, address="192.0.2.2")[0])).remaining == 2
    assert (await limit.count(*buckets_of(OwnerId("6fac44aa6f9ae93e"), "192.0.2.1"))).remaining == 2


async def test_what_one_guest_is_refused_does_not_count_for_the_others() -> None:
    limit = three_a_minute(FrozenClock())
    [greedy, *others] = guests(10)
    for _ in range(3):
        await limit.count(*greedy)
    refused = [await refusal(limit, *greedy) for _ in range(50)]
    passed = [await limit.count(*guest) for guest in others * 3]

    assert {(standing.limit, standing.remaining) for standing in refused} == {(3, 0)}
    assert (len(passed), passed[-1].remaining) == (27, 0)


async def refusal(limit: RateLimit, *buckets: Bucket) -> Standing:
    with pytest.raises(RateLimited) as refused:
        await limit.count(*buckets)
    return refused.value.standing
