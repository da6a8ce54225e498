"""The commands `quota show` and `quota reset`, beside a lab that goes on working."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reservation import settling
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.redis_server import RedisServer

Run = Callable[..., Result]
ALICE, GUEST = OwnerId("6fac44aa6f9ae93e"), OwnerId("guest-" + "0" * 32)
ON = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "1000"}
OFF_HINT = "TRIAL_ENABLED=true turns it on"


class RunningLab:
    """What a service does meanwhile on the same store."""

    def __init__(self, key_values: KeyValueStore) -> None:
        self.clock, policy = FrozenClock(datetime.now(UTC)), QuotaPolicy(enabled=True, cooldown_seconds=1000)
        usage = ReadUsage(policy=policy, key_values=key_values, clock=self.clock)
        self.key_values = key_values
        self.ledger = Ledger(policy=policy, key_values=key_values, usage=usage, clock=self.clock)

    async def spend(self, owner: OwnerId, mode: str, count: int = 1) -> None:
        for reservation in await self.ledger.reserve(owner, mode, count=count):
            await self.key_values.commit(*settling(reservation))
        self.clock.advance(0.001)  # nobody else is as late


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[RunningLab]:
    (tmp_path / "data").mkdir()
    store = SqliteKeyValueStore(tmp_path / "data" / "lab.sqlite3")
    yield RunningLab(store)
    await store.aclose()


@asynccontextmanager
async def lab_on(redis_server: RedisServer) -> AsyncIterator[RunningLab]:
    redis_server.flush()
    client = connect(redis_server.url)
    yield RunningLab(RedisKeyValueStore(client))
    await client.aclose()


async def rows(run: Run, *arguments: str, **settings: str) -> list[list[str]]:
    """The cells of every line of a table."""
    result = await asyncio.to_thread(run, "quota", *arguments, **ON | settings)
    assert result.exit_code == 0, result.output
    lines = result.stdout.replace("┃", "│").splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


async def says(run: Run, *arguments: str, **settings: str) -> str:
    result = await asyncio.to_thread(run, "quota", *arguments, **ON | settings)
    assert result.exit_code == 0, result.output
    return result.stdout


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


async def test_show_has_the_pool_and_everybody_who_used_it_today(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "basic_1k", count=4)
    await lab.spend(GUEST, "blend")
    await lab.ledger.take_prompt_call(GUEST)
    lab.clock.advance(0.001)
    await lab.ledger.reserve(ANONYMOUS, "basic_4k")
    pool, users = (found := await rows(run, "show"))[:2], found[2:]

    assert pool == [["Points on (UTC)", "Used", "Set aside", "Left", "Of"], [today(), "6", "3", "41", "50"]]
    assert users[0] == ["User", "Pictures", "Prompt calls", "Cooldown", "Modes"]
    assert [[*user[:3], user[4]] for user in users[1:]] == [
        [ANONYMOUS, "1", "0", "1 basic_4k"],
        [GUEST, "1", "1", "1 blend"],
        [ALICE, "4", "0", "4 basic_1k"],
    ]
    assert all(900 < int(user[3].removesuffix(" s")) <= 1000 for user in users[1:])


async def test_show_of_one_user_has_every_mode_the_prompt_calls_and_the_cooldown(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "basic_1k", count=4)
    await lab.ledger.take_prompt_call(ALICE)
    modes = (await rows(run, "show", "--user", ALICE, TRIAL_CHAT_LIMIT="7"))[2:]

    assert modes[0] == [f"Modes of {ALICE}", "Name", "Used", "Left", "Of", "Points each"]
    assert modes[1] == ["basic_1k", "Basic (1K/2K)", "4", "26", "30", "1"]
    assert modes[3] == ["chat", "Chat", "0", "7", "7", "1"]
    assert len(modes[1:-2]) == 7
    assert modes[-2] == ["prompts", "Prompt calls", "1", "29", "30", "0"]
    assert (modes[-1][0], modes[-1][2][-2:]) == ("cooldown", " s")


async def test_show_as_json_has_the_same_numbers(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "basic_1k", count=4)
    await lab.spend(GUEST, "blend")
    await lab.ledger.take_prompt_call(GUEST)
    everybody, alice = [json.loads(await says(run, "show", "--json", *more)) for more in ([], ["--user", ALICE])]

    assert everybody["points"] == {"used": 6, "set_aside": 0, "left": 44, "of": 50}
    assert everybody["prompt_calls"] == {"used": 1, "left": 299, "of": 300}
    assert (everybody["enabled"], everybody["date"], [*everybody["users"]]) == (True, today(), [ALICE, GUEST])
    assert [*alice["users"]] == [ALICE]
    assert alice["users"][ALICE]["modes"]["basic_1k"] == {"used": 4, "left": 26, "of": 30, "cost": 1}


async def test_show_counts_the_prompt_calls_of_all_users(run: Run, lab: RunningLab) -> None:
    for user in (ALICE, GUEST):
        await lab.ledger.take_prompt_call(user)

    assert "Prompt calls of all users: 2 used, 298 left of 300." in await says(run, "show")


async def test_show_says_when_nobody_was_here(run: Run) -> None:
    assert "Nobody has used the trial today." in await says(run, "show")
    assert (await rows(run, "show", "--user", ALICE))[-1][:3] == ["cooldown", "", "none"]


async def test_reset_forgives_everybody_and_says_what(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "basic_1k", count=4)
    await lab.spend(GUEST, "blend")
    await lab.ledger.take_prompt_call(GUEST)
    said = await says(run, "reset")

    assert said.splitlines() == [
        "6 points given back to the pool; 5 pictures and 1 prompt calls of 2 users forgiven.",
    ]
    usage = await lab.ledger.usage(GUEST)
    assert (usage.points, sum(usage.pictures.values()), usage.prompt_calls, usage.cooldown_remaining) == (0, 0, 0, 0)
    assert await lab.ledger.reserve(ALICE, "basic_1k")


async def test_reset_of_one_user_leaves_the_pool_and_the_others_alone(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "basic_1k", count=4)
    await lab.spend(GUEST, "blend")
    said = await says(run, "reset", "--user", ALICE)

    assert said.startswith(f"{ALICE}: 4 pictures and 0 prompt calls of today forgiven")
    alice, guest = await lab.ledger.usage(ALICE), await lab.ledger.usage(GUEST)
    assert (alice.points, sum(alice.pictures.values()), alice.cooldown_remaining) == (6, 0, 0)
    assert (guest.pictures["blend"], guest.cooldown_remaining > 0) == (1, True)


async def test_a_picture_being_made_during_a_reset_is_counted_and_may_still_be_given_back(
    run: Run, lab: RunningLab
) -> None:
    [being_made] = await lab.ledger.reserve(ALICE, "basic_4k")
    said = await says(run, "reset")
    meanwhile = await lab.ledger.usage(ALICE)

    assert "3 points stay set aside for pictures that are being made." in said.splitlines()
    assert (meanwhile.points, meanwhile.pictures["basic_4k"]) == (3, 1)
    assert await lab.ledger.release(being_made)
    assert (await lab.ledger.usage(ALICE)).points == 0


async def test_show_and_reset_work_on_redis_too(run: Run, redis_server: RedisServer) -> None:
    async with lab_on(redis_server) as lab:
        await lab.spend(ALICE, "blend", count=2)
        shown = await rows(run, "show", REDIS_URL=redis_server.url)
        await says(run, "reset", REDIS_URL=redis_server.url)

        assert shown[1] == [today(), "4", "0", "46", "50"]
        assert (await lab.ledger.usage(ALICE)).points == 0


async def test_a_lab_whose_trial_is_off_says_so(run: Run, lab: RunningLab) -> None:
    await lab.spend(ALICE, "blend")
    results = [
        await asyncio.to_thread(run, "quota", *words) for words in (["show"], ["show", "--user", ALICE], ["reset"])
    ]

    assert [(result.exit_code, OFF_HINT in result.stdout) for result in results] == [(0, True)] * 3
    assert ALICE in results[0].stdout
    assert OFF_HINT not in await says(run, "show")


@pytest.mark.parametrize("command", ["show", "reset"])
def test_without_its_store_a_command_ends_in_one_line(run: Run, command: str) -> None:
    result = run("quota", command, REDIS_URL="redis://user:redis-password@127.0.0.1:1/0")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("service_unavailable: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "reset"])
@pytest.mark.parametrize("user", ["", "Alice", "a b", "../x", "x" * 65, "[red]"])
def test_what_can_be_nobodys_id_is_refused(run: Run, tmp_path: Path, command: str, user: str) -> None:
    result = run("quota", command, "--user", user)

    assert result.exit_code == 2
    assert "user_folder_id" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["show", "reset"])
def test_a_misconfigured_lab_is_not_touched(run: Run, tmp_path: Path, command: str) -> None:
    result = run("quota", command, TRIAL_GLOBAL_QUOTA="lots")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "TRIAL_GLOBAL_QUOTA:" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--help"], ["show", "--help"], ["reset", "--help"]], ids=" ".join)
def test_help_explains_the_command(run: Run, words: list[str]) -> None:
    result = run("quota", *words)

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5


def test_a_table_fits_where_there_is_no_terminal(run: Run, lab: Any) -> None:
    lines = run("quota", "show", "--user", GUEST, **ON).stdout.splitlines()

    assert any(GUEST in line for line in lines)
    assert max(map(len, lines)) <= 160
