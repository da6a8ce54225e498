"""Scenes in which a clock is set while the model works."""

from datetime import UTC, datetime, timedelta

from tests.faults.aftermath import afterwards
from tests.faults.bench import Bench
from tests.faults.outcome import Seen
from tests.faults.steps import begun, readiness, standing, until_true

HOUR = 3600.0


async def an_hour_forward(bench: Bench) -> Seen:
    """Its own rounds then take the reservation for one of a dead process."""
    return await _clock_set(bench, 0, HOUR, given_back=True)


async def an_hour_back(bench: Bench) -> Seen:
    return await _clock_set(bench, 0, -HOUR)


async def forward_over_midnight(bench: Bench) -> Seen:
    return await _clock_set(bench, _seconds_to_midnight() - 20, 40)


async def back_over_midnight(bench: Bench) -> Seen:
    return await _clock_set(bench, _seconds_to_midnight() + 20, -40)


async def beside_a_fast_clock(bench: Bench) -> Seen:
    """A second process joins whose clock is an hour ahead."""
    bench.lab = bench.start_lab()
    start = standing(bench)
    making = await begun(bench)
    bench.set_clock(HOUR)
    bench.start_jumping_lab()
    await until_true(lambda: not bench.reservations())
    bench.gemini.release(bench.row.name)
    return await afterwards(bench, start, await making, None, 200)


async def _clock_set(bench: Bench, ahead: float, jump: float, *, given_back: bool = False) -> Seen:
    bench.set_clock(ahead)
    bench.lab = bench.start_jumping_lab()
    start = standing(bench)
    making = await begun(bench)
    bench.set_clock(ahead + jump)
    if given_back:
        await until_true(lambda: not bench.reservations())
    bench.gemini.release(bench.row.name)
    told = await making
    return await afterwards(bench, start, told, None, await readiness(bench.lab))


def _seconds_to_midnight() -> float:
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds()
