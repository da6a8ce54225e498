"""The trial as clients see it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import ContentBlocked, InvalidApiKey, NoImage, UpstreamTimeout
from nano_banana_lab.core.quota.modes import QUOTA_MODES
from nano_banana_lab.core.storage.ports import StoreUnavailable

TRIAL = {"TRIAL_ENABLED": "true"}
OWN_KEY = {"X-API-Key": "callers-own-key"}
BOB = {"Authorization": "Bearer bob"}
MODES = {
    "basic_1k": ("Basic (1K/2K)", 1, 30),
    "basic_4k": ("Basic (4K)", 3, 10),
    "chat": ("Chat", 1, 20),
    "batch_1k": ("Batch (1K/2K)", 1, 15),
    "batch_4k": ("Batch (4K)", 3, 5),
    "search": ("Search", 2, 15),
    "blend": ("Blend/Style", 2, 10),
}
"""The contract's price list: name, points, pictures a user and day."""


@pytest.fixture
async def service(open_service: Any) -> AsyncIterator[Any]:
    async with open_service(**TRIAL) as running:
        yield running


@pytest.fixture
def eager(open_service: Any) -> Any:
    """Opens a lab without a cooldown, so that one user may make many pictures."""
    return lambda **settings: open_service(**TRIAL | {"TRIAL_COOLDOWN_SECONDS": "0"} | settings)


async def quota(service: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = await service.client.get("/api/quota", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def check(service: Any, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = await service.client.post("/api/quota/check", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def generate(service: Any, headers: dict[str, str] | None = None, **settings: Any) -> Any:
    body = {"prompt": "a corgi", "settings": settings}
    return await service.client.post("/api/generate", json=body, headers=headers)


def fractions_in(found: Any) -> list[float]:
    if isinstance(found, dict):
        return [each for value in found.values() for each in fractions_in(value)]
    return [found] if isinstance(found, float) else []


async def test_an_unused_trial_is_all_there(service: Any) -> None:
    assert await quota(service) == {
        "is_trial_mode": True,
        "date": "2026-11-22",
        "global_used": 0,
        "global_limit": 50,
        "global_remaining": 50,
        "modes": {
            key: {"name": name, "used": 0, "limit": limit, "remaining": limit, "cost": cost}
            for key, (name, cost, limit) in MODES.items()
        },
        "prompts": {"used": 0, "limit": 30, "remaining": 30},
        "cooldown_active": False,
        "cooldown_remaining": 0,
        "resets_at": "2026-11-23T00:00:00.000Z",
    }


async def test_a_picture_shows_in_the_quota(service: Any) -> None:
    await generate(service, resolution="4K")
    shown = await quota(service)

    assert (shown["global_used"], shown["global_remaining"]) == (3, 47)
    assert shown["modes"]["basic_4k"] == {"name": "Basic (4K)", "used": 1, "limit": 10, "remaining": 9, "cost": 3}
    assert shown["modes"]["basic_1k"]["used"] == 0
    assert (shown["cooldown_active"], shown["cooldown_remaining"]) == (True, 3)


async def test_a_picture_being_made_counts_already(service: Any) -> None:
    service.model.hold()
    making = asyncio.create_task(generate(service))
    await service.model.calls_begun(1)
    during = await quota(service)
    service.model.release()
    await making

    assert (during["global_used"], during["modes"]["basic_1k"]["used"], during["cooldown_active"]) == (1, 1, True)


async def test_the_pool_is_everybodys_and_the_rest_ones_own(service: Any) -> None:
    await generate(service, BOB)
    mine, bobs = await quota(service), await quota(service, BOB)

    assert (mine["global_used"], bobs["global_used"]) == (1, 1)
    assert (mine["modes"]["basic_1k"]["used"], bobs["modes"]["basic_1k"]["used"]) == (0, 1)
    assert (mine["cooldown_active"], bobs["cooldown_active"]) == (False, True)


async def test_numbers_are_whole_also_in_the_middle_of_a_second(service: Any) -> None:
    service.clock.advance(0.123)
    await generate(service)
    service.clock.advance(1.456)
    shown, checked = await quota(service), await check(service, {"mode": "basic"})
    refused, rules = await generate(service), (await service.client.get("/api/quota/config")).json()

    assert (shown["cooldown_remaining"], refused.json()["error"]["details"]["cooldown_remaining"]) == (2, 2)
    assert [fractions_in(each) for each in (shown, checked, refused.json(), rules)] == [[], [], [], []]
    assert refused.headers["retry-after"] == "2"


async def test_a_second_picture_within_the_cooldown_is_refused(service: Any, is_problem: Any) -> None:
    await generate(service)
    problem = is_problem(refused := await generate(service), 429, "cooldown_active")

    assert problem["error"]["details"] == {"global_remaining": 49, "mode_remaining": 29, "cooldown_remaining": 3}
    assert problem["detail"] == "Please wait 3 s before the next generation."
    assert refused.headers["retry-after"] == "3"
    assert len(service.model.requests) == 1


async def test_after_the_time_that_it_was_told_a_client_may_go_on(service: Any) -> None:
    await generate(service)
    service.clock.advance(float((await generate(service)).headers["retry-after"]))

    assert (await generate(service)).status_code == 200


async def test_an_empty_pool_is_refused_until_midnight(eager: Any, is_problem: Any) -> None:
    async with eager(TRIAL_GLOBAL_QUOTA="2") as service:
        service.clock.advance(3600.5)
        await generate(service, BOB)
        refused = await generate(service, resolution="4K")

        problem = is_problem(refused, 429, "quota_exceeded")
        assert problem["error"]["details"] == {"global_remaining": 1, "mode_remaining": 10, "cooldown_remaining": 0}
        assert refused.headers["retry-after"] == str(11 * 3600)
        assert (await quota(service))["global_used"] == 1


async def test_a_users_limit_is_refused_until_midnight(eager: Any, is_problem: Any) -> None:
    async with eager(TRIAL_BASIC_1K_LIMIT="1") as service:
        await generate(service)
        refused = await generate(service)

        problem = is_problem(refused, 429, "quota_exceeded")
        assert problem["error"]["details"] == {"global_remaining": 49, "mode_remaining": 0, "cooldown_remaining": 0}
        assert refused.headers["retry-after"] == str(12 * 3600)
        assert (await generate(service, BOB)).status_code == 200


async def test_at_midnight_the_trial_starts_again(eager: Any) -> None:
    async with eager(TRIAL_GLOBAL_QUOTA="1") as service:
        await generate(service)
        refused = await generate(service)
        service.clock.advance(float(refused.headers["retry-after"]))

        assert (await quota(service))["date"] == "2026-11-23"
        assert (await generate(service)).status_code == 200


async def test_the_last_moment_of_a_day_is_a_second_away_from_the_next(eager: Any) -> None:
    async with eager(TRIAL_GLOBAL_QUOTA="0") as service:
        service.clock.advance(12 * 3600 - 0.001)

        assert (await generate(service)).headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (ContentBlocked(reason="SAFETY"), 400),
        (NoImage(finish_reason="STOP"), 502),
        (b"no picture at all", 502),
        (InvalidApiKey(), 401),
        (UpstreamTimeout(timeout_seconds=180), 504),
    ],
    ids=["blocked", "empty", "undecodable", "refused key", "timeout"],
)
async def test_no_picture_leaves_the_quota_as_it_was(service: Any, step: Any, status: int) -> None:
    before = await quota(service)
    service.model.then(step)
    failed = await generate(service)

    assert failed.status_code == status
    assert await quota(service) == before
    assert (await generate(service)).status_code == 200


async def test_a_request_that_is_wrong_leaves_the_quota_as_it_was(service: Any) -> None:
    before = await quota(service)
    assert (await generate(service, aspect_ratio="7:1")).status_code == 422

    assert await quota(service) == before


async def test_while_the_store_is_away_nothing_is_bought(
    open_service: Any, unreliable: Any, mishap: Any, is_problem: Any
) -> None:
    async with open_service(**TRIAL) as service:
        healthy = service.key_values
    away = unreliable(healthy, mishap(StoreUnavailable("key value store"), "commit"))
    async with open_service(key_values=away, **TRIAL) as service:
        is_problem(await generate(service), 503, "service_unavailable")

        assert service.model.requests == []


async def test_a_key_of_ones_own_is_not_counted(service: Any) -> None:
    for _ in range(2):
        assert (await generate(service, OWN_KEY)).status_code == 200

    shown = await quota(service, OWN_KEY)
    assert (shown["is_trial_mode"], shown["global_used"], shown["cooldown_active"]) == (False, 0, False)
    assert (await quota(service))["is_trial_mode"] is True


async def test_while_the_trial_is_off_nothing_is_counted(open_service: Any) -> None:
    async with open_service() as service:
        for _ in range(2):
            assert (await generate(service)).status_code == 200

        shown = await quota(service)
        assert (shown["is_trial_mode"], shown["global_used"], shown["cooldown_active"]) == (False, 0, False)
        assert await check(service, {"mode": "basic"}) == {
            "can_generate": True, "reason": "OK", "cost": 0, "remaining_after": 50,
        }  # fmt: skip


COSTS = [
    ({"mode": "basic"}, 1),
    ({"mode": "basic", "resolution": "2K"}, 1),
    ({"mode": "basic", "resolution": "4K"}, 3),
    ({"mode": "batch", "resolution": "4K", "count": 5}, 15),
    ({"mode": "batch", "count": 10}, 10),
    ({"mode": "chat", "resolution": "4K"}, 1),
    ({"mode": "search"}, 2),
    ({"mode": "blend"}, 2),
    ({"mode": "style", "count": 2}, 4),
    *[({"mode": key}, cost) for key, (_, cost, _) in MODES.items()],
]


async def test_a_check_says_what_it_would_cost(service: Any) -> None:
    answers = [await check(service, body) for body, _ in COSTS]

    assert answers == [
        {"can_generate": True, "reason": "OK", "cost": cost, "remaining_after": 50 - cost} for _, cost in COSTS
    ]


async def test_an_unknown_mode_cannot_be_generated(service: Any) -> None:
    for mode in ("upload", "basic_8k", "", "🍌", "BASIC"):
        answer = await check(service, {"mode": mode})

        assert (mode, answer["can_generate"], answer["cost"], answer["remaining_after"]) == (mode, False, 0, 50)
        assert all(key in answer["reason"] for key in MODES)


@pytest.mark.parametrize(
    ("settings", "body", "reason"),
    [
        ({"TRIAL_GLOBAL_QUOTA": "5"}, {"mode": "basic", "resolution": "4K", "count": 2}, "for all users"),
        ({"TRIAL_BLEND_LIMIT": "1"}, {"mode": "style", "count": 2}, "for this mode"),
    ],
    ids=["pool", "limit"],
)
async def test_a_check_says_why_not(eager: Any, settings: Any, body: Any, reason: str) -> None:
    async with eager(**settings) as service:
        answer = await check(service, body)

        assert answer["can_generate"] is False
        assert reason in answer["reason"]
        assert answer["remaining_after"] == (await quota(service))["global_remaining"]


async def test_a_check_knows_the_cooldown(service: Any) -> None:
    await generate(service)

    assert await check(service, {"mode": "basic"}) == {
        "can_generate": False,
        "reason": "Please wait 3 s before the next generation.",
        "cost": 1,
        "remaining_after": 49,
    }
    assert (await check(service, {"mode": "basic"}, BOB))["can_generate"] is True


async def test_a_check_and_the_generation_after_it_agree(eager: Any) -> None:
    """Down to the last point, for cheap and dear pictures in turn."""
    async with eager(TRIAL_GLOBAL_QUOTA="12", TRIAL_BASIC_4K_LIMIT="2") as service:
        for resolution in ["4K", "1K", "4K", "4K", "1K", "1K", "1K", "4K", "1K", "1K", "1K"]:
            checked = await check(service, {"mode": "basic", "resolution": resolution})
            made = await generate(service, resolution=resolution)

            assert checked["can_generate"] is (made.status_code == 200)
        assert (await quota(service))["global_remaining"] == 0


async def test_checking_spends_nothing(service: Any) -> None:
    before = await quota(service)
    for _ in range(3):
        await check(service, {"mode": "basic", "count": 10})

    assert await quota(service) == before


async def test_a_check_of_ones_own_key_always_says_yes(eager: Any) -> None:
    async with eager(TRIAL_GLOBAL_QUOTA="0") as service:
        answer = await check(service, {"mode": "basic"}, OWN_KEY)

        assert answer == {"can_generate": True, "reason": "OK", "cost": 0, "remaining_after": 0}


MALFORMED = [
    ({"mode": "basic", "count": 0}, ("count", "too_small")),
    ({"mode": "basic", "count": 11}, ("count", "too_large")),
    ({"mode": "basic", "count": 1.5}, ("count", "wrong_type")),
    ({"mode": "basic", "resolution": "8K"}, ("resolution", "unknown_choice")),
    ({"mode": 7}, ("mode", "wrong_type")),
    ({}, ("mode", "missing")),
]


async def test_a_malformed_check_is_refused(refusing: Any, wrong_fields: Any) -> None:
    found = [wrong_fields(await refusing.post("/api/quota/check", json=body)) for body, _ in MALFORMED]

    assert found == [[wrong] for _, wrong in MALFORMED]


async def test_the_rules_are_told_to_everybody(service: Any) -> None:
    assert (await service.client.get("/api/quota/config")).json() == {
        "global_daily_quota": 50,
        "cooldown_seconds": 3,
        "modes": {key: {"name": name, "cost": cost, "limit": limit} for key, (name, cost, limit) in MODES.items()},
    }


async def test_the_rules_follow_the_settings(open_service: Any) -> None:
    settings = {"TRIAL_GLOBAL_QUOTA": "120", "TRIAL_COOLDOWN_SECONDS": "9", "TRIAL_CHAT_COST": "4"}
    async with open_service(**TRIAL | settings, TRIAL_QUOTA_MODE="auto") as service:
        rules = (await service.client.get("/api/quota/config")).json()

        assert (rules["global_daily_quota"], rules["cooldown_seconds"]) == (120, 9)
        assert {key: mode["limit"] for key, mode in rules["modes"].items()} == {
            "basic_1k": 72, "basic_4k": 8, "chat": 12, "batch_1k": 36, "batch_4k": 4, "search": 18, "blend": 12,
        }  # fmt: skip


async def test_the_price_list_is_the_contracts() -> None:
    assert {key: (mode.name, mode.cost, mode.limit) for key, mode in QUOTA_MODES.items()} == MODES


async def test_no_answer_about_the_trial_is_kept_by_a_cache(service: Any) -> None:
    answers = [
        await service.client.get("/api/quota"),
        await service.client.post("/api/quota/check", json={"mode": "basic"}),
    ]

    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 2
