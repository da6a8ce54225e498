"""What is left once a fault is over, and what heals it."""

from datetime import UTC, datetime, timedelta

import httpx
from dishka import Provider, Scope
from tests.e2e.asking import asked, generate, history, visiting
from tests.e2e.trial import LEASE_IS_OVER
from tests.faults.bench import Bench, kinds
from tests.faults.faults import Fault
from tests.faults.outcome import CALIFORNIA, CHORES, LEASE, REINDEX, REPORTED, Outcome, Seen
from tests.faults.steps import PATIENCE, Before, Told, held_prompt, in_words, prompt_of, until_ready, until_true

from nano_banana_lab.adapters.gemini.rate_limits import seconds_until_quota_day
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.testing.frozen_clock import FrozenClock

ROUNDS = {
    "a picture is stored and not yet listed": "entered in the history",
    "a picture could not be stored": "given up that could not be stored",
}
"""What the log says where one of the lab's rounds has something to do, and what it says when that is done."""


async def afterwards(
    bench: Bench, start: Before, told: Told, files: set[str] | None, ready: int | None, fault: Fault | None = None
) -> Seen:
    """Mend the fault unless that is done, and look at what is left, at once and once everything has healed it."""
    found = (bench.files() if files is None else files) - start.files
    if fault is not None:
        fault.get_well(bench)
    await until_ready(bench.lab)
    listed, charged = await listed_lines(bench), bench.points() - start.points
    healed_by = await _heal(bench)
    listed_at_last, charged_at_last = await listed_lines(bench), bench.points() - start.points
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        again = await generate(client, f"after {bench.row.name}")
    outcome = Outcome(
        answer=in_words(told.answer),
        retry_after=_wait(told.answer),
        asked=asked(bench.gemini, prompt_of(bench)) + asked(bench.gemini, held_prompt(bench)),
        files=kinds(found),
        ready=ready,
        listed=listed,
        charged=charged,
        healed_by=healed_by,
        listed_at_last=listed_at_last,
        charged_at_last=charged_at_last,
        again=again.status_code,
    )
    return Seen(outcome, told.seconds)


async def _heal(bench: Bench) -> tuple[str, ...]:
    """Let a minute pass for reservations, wait for what the lab does by itself, reindex; says what of it did anything."""
    clock, later = Provider(scope=Scope.APP), datetime.now(UTC) + timedelta(seconds=LEASE_IS_OVER)
    clock.provide(lambda: FrozenClock(later), provides=Clock)
    container = make_container(read_settings(bench.settings), clock)
    try:
        lease = await (await container.get(Ledger)).release_expired()
        rounds = [done for begun, done in ROUNDS.items() if begun in bench.lab.log()]
        await until_true(lambda: all(done in bench.lab.log() for done in rounds))
        report = await (await container.get(Reindex))()
    finally:
        await container.close()
    did = {LEASE: lease, CHORES: rounds, REINDEX: report.restored or report.ghosts, REPORTED: report.troubles}
    return tuple(name for name, something in did.items() if something)


async def listed_lines(bench: Bench) -> int:
    async with visiting(bench.lab, seconds=PATIENCE) as client:
        uploads = await client.get("/api/history", params={"mode": "upload"})
        prompts = [line["prompt"] for line in [*await history(client), *uploads.raise_for_status().json()["items"]]]
    return prompts.count(prompt_of(bench)) + prompts.count(held_prompt(bench))


def _wait(answer: httpx.Response | None) -> str | None:
    wait: str | None = answer.headers.get("retry-after") if answer is not None else None
    if wait is not None and abs(int(wait) - seconds_until_quota_day(datetime.now(UTC))) < PATIENCE:
        return CALIFORNIA
    return wait
