"""The trial pays for pictures, and for nothing else."""

import asyncio
from typing import Any

import pytest

from nano_banana_lab.core.generation.admission import Admission, Overloaded
from nano_banana_lab.core.generation.image_request import Resolution
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    InvalidApiKey,
    ModelRetired,
    NoApiKey,
    NoImage,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import CooldownActive
from nano_banana_lab.core.quota.reservation import RESERVATIONS
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.ports import StoreUnavailable

ALICE, BOB = OwnerId("alice"), OwnerId("bob")
UNUSED = (0, 0, 0)


def trial(**rules: Any) -> QuotaPolicy:
    return QuotaPolicy(enabled=True, **({"cooldown_seconds": 60} | rules))


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=trial())


async def used(lab: Any, owner: OwnerId = ALICE) -> tuple[int, int, int]:
    """Points, pictures and seconds of cooldown."""
    usage = await lab.usage(owner)
    return usage.points, sum(usage.pictures.values()), usage.cooldown_remaining


async def test_a_picture_costs_its_points_and_begins_a_cooldown(lab: Any) -> None:
    await lab.generate(resolution=Resolution.FOUR_K)

    assert await used(lab) == (3, 1, 60)
    assert (await lab.usage(ALICE)).pictures == {"basic_4k": 1}
    assert await lab.key_values.count(RESERVATIONS) == 0


async def test_points_are_set_aside_while_the_picture_is_being_made(lab: Any) -> None:
    lab.model.hold()
    making = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    usage = await lab.usage(ALICE)
    lab.model.release()
    await making

    assert (usage.points, usage.points_set_aside) == (1, 1)
    assert (await lab.usage(ALICE)).points_set_aside == 0


@pytest.mark.parametrize(
    "failure",
    [
        ContentBlocked(reason="SAFETY"),
        NoImage(finish_reason="STOP"),
        NoApiKey(),
        InvalidApiKey(),
        UpstreamRateLimited(reason="daily"),
        UpstreamFailed(upstream_status=503),
        UpstreamTimeout(timeout_seconds=180),
        UpstreamRejected(upstream_status=400),
        ModelRetired(model="gemini-0"),
        b"these bytes are no picture",
    ],
    ids=lambda failure: "undecodable" if isinstance(failure, bytes) else type(failure).__name__,
)
async def test_no_picture_no_charge_and_no_cooldown(lab: Any, failure: GenerationError | bytes) -> None:
    lab.model.then(failure)
    with pytest.raises(GenerationError):
        await lab.generate()

    assert await used(lab) == UNUSED
    assert await lab.key_values.count(RESERVATIONS) == 0
    assert await lab.generate()


async def test_a_bug_in_the_model_gives_the_points_back_too(lab: Any) -> None:
    lab.model.then(lambda request: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await lab.generate()

    assert await used(lab) == UNUSED


async def test_settings_that_the_model_lacks_cost_nothing(lab: Any) -> None:
    with pytest.raises(ValidationFailed):
        await lab.generate(aspect_ratio="7:1")

    assert await used(lab) == UNUSED


async def test_who_finds_no_room_pays_nothing(open_lab: Any) -> None:
    lab = open_lab(policy=trial(), admission=Admission(concurrent=1, waiting=0))
    lab.model.hold()
    first = asyncio.create_task(lab.generate(owner=BOB))
    await lab.model.calls_begun(1)
    with pytest.raises(Overloaded):
        await lab.generate()
    refused = await used(lab)
    lab.model.release()
    await first

    assert refused == (1, 0, 0), "the one point is Bob's"


async def test_who_still_waits_when_the_lab_shuts_down_pays_nothing(open_lab: Any) -> None:
    lab = open_lab(policy=trial(), admission=Admission(concurrent=1, waiting=5))
    lab.model.hold()
    running, waiting = asyncio.create_task(lab.generate(owner=BOB)), asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    lab.paid_calls.close()
    lab.model.release()
    _, refused = await asyncio.gather(running, waiting, return_exceptions=True)

    assert isinstance(refused, ShuttingDown)
    assert await used(lab) == (1, 0, 0)
    assert await used(lab, BOB) == (1, 1, 60)


async def test_a_generation_that_the_shutdown_cuts_off_is_given_back(lab: Any) -> None:
    lab.model.hold()
    making = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    lab.paid_calls.close()
    cut_off = await lab.paid_calls.finish(0)

    assert cut_off == 1
    assert await used(lab) == UNUSED
    with pytest.raises(ShuttingDown):
        await making


async def test_who_comes_after_the_shutdown_began_pays_nothing(lab: Any) -> None:
    lab.paid_calls.close()
    with pytest.raises(ShuttingDown):
        await lab.generate()

    assert await used(lab) == UNUSED


async def test_a_picture_whose_caller_left_is_kept_and_paid_for(lab: Any) -> None:
    lab.model.hold()
    caller = asyncio.create_task(lab.generate())
    await lab.model.calls_begun(1)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    lab.model.release()
    await lab.paid_calls.finish(60)

    assert await lab.prompts() == ["a corgi in a teacup"]
    assert await used(lab) == (1, 1, 60)


async def test_a_second_picture_within_the_cooldown_is_refused_before_the_model_is_asked(lab: Any) -> None:
    await lab.generate()
    lab.clock.advance(20.5)
    with pytest.raises(CooldownActive) as refused:
        await lab.generate()

    assert (refused.value.code, refused.value.retry_after) == ("cooldown_active", 40)
    assert refused.value.details == {"global_remaining": 49, "mode_remaining": 29, "cooldown_remaining": 40}
    assert len(lab.model.requests) == 1
    assert await used(lab) == (1, 1, 40)


async def test_after_the_cooldown_the_next_picture_is_made(lab: Any) -> None:
    await lab.generate()
    lab.clock.advance(60)

    assert await lab.generate()
    assert await used(lab) == (2, 2, 60)


async def test_one_users_cooldown_is_not_anothers(lab: Any) -> None:
    await lab.generate()

    assert await lab.generate(owner=BOB)
    assert await used(lab, BOB) == (2, 1, 60)


async def test_what_a_failure_gives_back_is_its_own_cooldown_and_no_others(open_lab: Any) -> None:
    """The first picture fails when its own cooldown is long over and a second one has begun another."""
    lab = open_lab(policy=trial())
    lab.model.hold()
    lab.model.then(UpstreamFailed())
    first = asyncio.create_task(lab.generate("first"))
    await lab.model.calls_begun(1)
    lab.clock.advance(60)
    second = asyncio.create_task(lab.generate("second"))
    await lab.model.calls_begun(2)
    lab.model.release()
    await asyncio.gather(first, second, return_exceptions=True)

    assert await used(lab) == (1, 1, 60)


async def test_a_key_of_ones_own_is_never_counted(lab: Any) -> None:
    for _ in range(3):
        await lab.generate(api_key=ApiKey("callers-own-key"))

    assert await used(lab) == UNUSED
    assert await lab.usage.of_everybody() == {}


async def test_a_key_of_ones_own_needs_no_points(open_lab: Any) -> None:
    lab = open_lab(policy=trial(global_points=0))

    assert await lab.generate(api_key=ApiKey("callers-own-key"))


async def test_while_the_trial_is_off_nothing_is_counted(open_lab: Any) -> None:
    lab = open_lab(policy=QuotaPolicy(global_points=0))
    for _ in range(3):
        await lab.generate()

    assert await used(lab) == UNUSED
    assert await lab.usage.of_everybody() == {}


async def test_without_the_key_value_store_the_model_is_never_asked(
    open_lab: Any, unreliable: Any, mishap: Any
) -> None:
    lab = open_lab()
    away = unreliable(lab.key_values, mishap(StoreUnavailable("key value store"), "commit"))
    lab = open_lab(policy=trial(), key_values=away)

    with pytest.raises(StoreUnavailable):
        await lab.generate()
    assert lab.model.requests == []
