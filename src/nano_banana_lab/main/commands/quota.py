"""`nano-banana-lab quota`: what the trial has spent today, and a fresh start; works beside a running service."""

from typing import Any

import click
from dishka import AsyncContainer
from rich.table import Table

from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reset_quota import ResetQuota
from nano_banana_lab.core.quota.usage import ReadUsage, Usage
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId
from nano_banana_lab.main.commands.options import as_json, owner_id
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import console, show_json, table
from nano_banana_lab.main.settings import Settings

TRIAL_IS_OFF = "The trial is off, so nothing is counted; TRIAL_ENABLED=true turns it on."


@click.group("quota")
def command() -> None:
    """Show what the trial has spent today, or let the day start again."""


@command.command("show")
@click.option(
    "--user", callback=owner_id, metavar="ID", help="Only this user, by user_folder_id: every mode in detail."
)
@as_json
@click.pass_obj
def show_quota(settings: Settings, user: OwnerId | None, *, as_json: bool) -> None:
    """Show the points of all users together, and who used what today."""
    act = show_data if as_json else show
    run_in_lab(settings, lambda container: act(container, user))


@command.command("reset")
@click.option(
    "--user", callback=owner_id, metavar="ID", help="Only this user, by user_folder_id; the pool is left alone."
)
@click.pass_obj
def reset_quota(settings: Settings, user: OwnerId | None) -> None:
    """Forgive what was spent today: points, pictures, prompt calls and cooldowns.

    What is set aside for pictures that are being made stays counted until they end.
    """
    run_in_lab(settings, lambda container: reset(container, user))


async def show(container: AsyncContainer, user: OwnerId | None) -> int:
    """Print the pool and everybody who used it today, or what one user used and has left. Returns 0."""
    read_usage = await container.get(ReadUsage)
    usage = await read_usage(user or ANONYMOUS)
    details = _modes(usage, user) if user else _users(await read_usage.of_everybody())
    shown = console()
    shown.print(_pool(usage))
    shown.print("Prompt calls of all users: {} used, {} left of {}.".format(*_prompt_calls(usage)))
    shown.print(details)
    await _hint(container)
    return 0


async def show_data(container: AsyncContainer, user: OwnerId | None) -> int:
    """The same for programs, as one JSON document. Returns 0."""
    read_usage = await container.get(ReadUsage)
    usage = await read_usage(user or ANONYMOUS)
    users = {user: usage} if user else await read_usage.of_everybody()
    show_json(
        {
            "enabled": usage.policy.enabled,
            "date": usage.date,
            "points": dict(zip(("used", "set_aside", "left", "of"), _points(usage), strict=True)),
            "prompt_calls": dict(zip(("used", "left", "of"), _prompt_calls(usage), strict=True)),
            "users": {each: _user_data(usage) for each, usage in users.items()},
        }
    )
    return 0


async def reset(container: AsyncContainer, user: OwnerId | None) -> int:
    """Forgive what one user or everybody spent today, and print what that was. Returns 0."""
    reset_quota = await container.get(ResetQuota)
    forgiven = await (reset_quota.user(user) if user else reset_quota.everybody())
    spent = f"{forgiven.pictures} pictures and {forgiven.prompt_calls} prompt calls"
    if user:
        click.echo(f"{user}: {spent} of today forgiven, and no cooldown any more. The pool stays as it is.")
    else:
        click.echo(f"{forgiven.points} points given back to the pool; {spent} of {forgiven.users} users forgiven.")
    usage = await (await container.get(ReadUsage))(user or ANONYMOUS)
    if usage.points_set_aside:
        click.echo(f"{usage.points_set_aside} points stay set aside for pictures that are being made.")
    await _hint(container)
    return 0


async def _hint(container: AsyncContainer) -> None:
    if not (await container.get(QuotaPolicy)).enabled:
        click.echo(TRIAL_IS_OFF)


def _points(usage: Usage) -> tuple[int, int, int, int]:
    spent = usage.points - usage.points_set_aside
    return spent, usage.points_set_aside, usage.points_left, usage.policy.global_points


def _prompt_calls(usage: Usage) -> tuple[int, int, int]:
    """Of all users."""
    return usage.global_prompt_calls, usage.global_prompt_calls_left, usage.policy.global_prompt_limit


def _pool(usage: Usage) -> Table:
    made = table("Points on (UTC)", numbers=("Used", "Set aside", "Left", "Of"))
    made.add_row(usage.date, *map(str, _points(usage)))
    return made


def _user_data(usage: Usage) -> dict[str, Any]:
    modes = {
        key: {"used": usage.pictures.get(key, 0), "left": usage.pictures_left(key), "of": mode.limit, "cost": mode.cost}
        for key, mode in usage.policy.modes.items()
    }
    calls = {"used": usage.prompt_calls, "left": usage.prompt_calls_left, "of": usage.policy.prompt_limit}
    return {"modes": modes, "prompt_calls": calls, "cooldown_seconds": usage.cooldown_remaining}


def _users(users: dict[OwnerId, Usage]) -> Table | str:
    """The latest first, who is most likely the one that is asked about."""
    if not users:
        return "Nobody has used the trial today."
    made = table("User", numbers=("Pictures", "Prompt calls", "Cooldown"))
    made.add_column("Modes")
    for user, usage in reversed(users.items()):
        used = {mode: count for mode, count in usage.pictures.items() if count}
        modes = ", ".join(f"{count} {mode}" for mode, count in used.items())
        made.add_row(user, str(sum(used.values())), str(usage.prompt_calls), _cooldown(usage), modes)
    return made


def _modes(usage: Usage, user: OwnerId) -> Table:
    made = table(f"Modes of {user}", "Name", numbers=("Used", "Left", "Of", "Points each"))
    for key, mode in usage.policy.modes.items():
        numbers = (usage.pictures.get(key, 0), usage.pictures_left(key), mode.limit, mode.cost)
        made.add_row(key, mode.name, *map(str, numbers))
    calls = (usage.prompt_calls, usage.prompt_calls_left, usage.policy.prompt_limit, 0)
    made.add_row("prompts", "Prompt calls", *map(str, calls))
    made.add_row("cooldown", "", _cooldown(usage))
    return made


def _cooldown(usage: Usage) -> str:
    return f"{usage.cooldown_remaining} s" if usage.cooldown_remaining else "none"
