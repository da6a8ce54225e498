"""`nano-banana-lab quota`: what the trial has spent today, and a fresh start; works beside a running service."""

import sys

import click
from dishka import AsyncContainer
from rich.console import Console
from rich.table import Table

from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.reset_quota import ResetQuota
from nano_banana_lab.core.quota.usage import ReadUsage, Usage
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId

PIPED_WIDTH = 160
"""In characters, where there is no terminal to ask."""

TRIAL_IS_OFF = "The trial is off, so nothing is counted; TRIAL_ENABLED=true turns it on."


async def show(container: AsyncContainer, user: OwnerId | None) -> int:
    """Print the pool and everybody who used it today, or what one user used and has left. Returns 0."""
    read_usage = await container.get(ReadUsage)
    usage = await read_usage(user or ANONYMOUS)
    details = _modes(usage, user) if user else _users(await read_usage.of_everybody())
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(_pool(usage))
    console.print(details)
    await _hint(container)
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


def _pool(usage: Usage) -> Table:
    table = _table("Points on (UTC)", numbers=("Used", "Set aside", "Left", "Of"))
    spent = usage.points - usage.points_set_aside
    numbers = (spent, usage.points_set_aside, usage.points_left, usage.policy.global_points)
    table.add_row(usage.date, *map(str, numbers))
    return table


def _users(users: dict[OwnerId, Usage]) -> Table | str:
    """The latest first, who is most likely the one that is asked about."""
    if not users:
        return "Nobody has used the trial today."
    table = _table("User", numbers=("Pictures", "Prompt calls", "Cooldown"))
    table.add_column("Modes")
    for user, usage in reversed(users.items()):
        made = {mode: count for mode, count in usage.pictures.items() if count}
        modes = ", ".join(f"{count} {mode}" for mode, count in made.items())
        table.add_row(user, str(sum(made.values())), str(usage.prompt_calls), _cooldown(usage), modes)
    return table


def _modes(usage: Usage, user: OwnerId) -> Table:
    table = _table(f"Modes of {user}", "Name", numbers=("Used", "Left", "Of", "Points each"))
    for key, mode in usage.policy.modes.items():
        numbers = (usage.pictures.get(key, 0), usage.pictures_left(key), mode.limit, mode.cost)
        table.add_row(key, mode.name, *map(str, numbers))
    calls = (usage.prompt_calls, usage.prompt_calls_left, usage.policy.prompt_limit, 0)
    table.add_row("prompts", "Prompt calls", *map(str, calls))
    table.add_row("cooldown", "", _cooldown(usage))
    return table


def _cooldown(usage: Usage) -> str:
    return f"{usage.cooldown_remaining} s" if usage.cooldown_remaining else "none"


def _table(*words: str, numbers: tuple[str, ...]) -> Table:
    table = Table()
    for word in words:
        table.add_column(word, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table
