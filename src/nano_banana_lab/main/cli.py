"""The command `nano-banana-lab`: the service, and the same use cases without it."""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.main.read_settings import SettingsError, read_settings
from nano_banana_lab.main.secret_key import NoSecretKey
from nano_banana_lab.main.settings import Settings

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2

_OWNER = re.compile(r"[a-z0-9-]{1,64}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nano-banana-lab")
@click.pass_context
def cli(context: click.Context) -> None:
    """Make, refine and keep AI pictures with Google Gemini.

    Configured by environment variables or a .env file in the working directory; see .env.example.
    """
    try:
        context.obj = read_settings()
    except SettingsError as error:
        click.echo(str(error), err=True)
        context.exit(EXIT_MISCONFIGURED)


@cli.command()
@click.pass_obj
def serve(settings: Settings) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C; running generations are finished first."""
    from nano_banana_lab.main.serve import serve as serve_forever

    try:
        serve_forever(settings)
    except NoSecretKey as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_MISCONFIGURED)


@cli.command()
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="How many pictures at once; by default MAX_CONCURRENT_GENERATIONS.",
)
@click.pass_obj
def worker(settings: Settings, concurrency: int | None) -> None:
    """Make the pictures of batches and other tasks until SIGTERM or Ctrl-C; needs REDIS_URL.

    For more machines: every process that serves works as well, unless WORKER_IN_PROCESS=false.
    """
    from nano_banana_lab.main.work import serve_tasks

    if settings.redis_url is None:
        click.echo(
            "A worker needs REDIS_URL: without it tasks live in the process that serves, which works on them.", err=True
        )
        sys.exit(EXIT_MISCONFIGURED)
    at_once, grace = concurrency or settings.max_concurrent_generations, settings.shutdown_grace_seconds
    sys.exit(_run(settings, lambda container: serve_tasks(container, concurrency=at_once, grace_seconds=grace)))


@cli.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Show the effective configuration, secrets masked, and try every store and the image model."""
    from nano_banana_lab.main.check import check as check_everything

    sys.exit(_run(settings, check_everything))


@cli.command()
@click.argument("prompt")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write; by default its own name here.",
)
@click.option("--aspect-ratio", default="16:9", show_default=True)
@click.option("--resolution", type=click.Choice(["1K", "2K", "4K"]), default="1K", show_default=True)
@click.option(
    "--safety-level",
    type=click.Choice(["strict", "moderate", "relaxed", "none"]),
    default="moderate",
    show_default=True,
)
@click.pass_obj
def generate(settings: Settings, /, prompt: str, output: Path | None, **look: Any) -> None:
    """Make one picture from PROMPT, keep it in the history and write it to a file."""
    from nano_banana_lab.main.generate import generate as generate_picture

    sys.exit(_run(settings, lambda container: generate_picture(container, prompt, output, look)))


@cli.command()
@click.pass_obj
def reindex(settings: Settings) -> None:
    """Rebuild the history from the pictures in the blob store, and report files that do not fit."""
    from nano_banana_lab.main.reindex import reindex as reindex_everything

    sys.exit(_run(settings, reindex_everything))


def _owner(_: click.Context, __: click.Parameter, user: str | None) -> OwnerId | None:
    if user is not None and not _OWNER.fullmatch(user):
        raise click.BadParameter("expected a user_folder_id such as 6fac44aa6f9ae93e, or anonymous")
    return None if user is None else OwnerId(user)


@cli.group()
def quota() -> None:
    """Show what the trial has spent today, or let the day start again."""


@quota.command("show")
@click.option("--user", callback=_owner, metavar="ID", help="Only this user, by user_folder_id: every mode in detail.")
@click.pass_obj
def show_quota(settings: Settings, user: OwnerId | None) -> None:
    """Show the points of all users together, and who used what today."""
    from nano_banana_lab.main.quota import show

    sys.exit(_run(settings, lambda container: show(container, user)))


@quota.command("reset")
@click.option(
    "--user", callback=_owner, metavar="ID", help="Only this user, by user_folder_id; the pool is left alone."
)
@click.pass_obj
def reset_quota(settings: Settings, user: OwnerId | None) -> None:
    """Forgive what was spent today: points, pictures, prompt calls and cooldowns.

    What is set aside for pictures that are being made stays counted until they end.
    """
    from nano_banana_lab.main.quota import reset

    sys.exit(_run(settings, lambda container: reset(container, user)))


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="nano-banana-lab")


def _run(settings: Settings, command: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """Run a command on the wired lab; errors that a user can act on end in one line, not in a trace."""
    from nano_banana_lab.main.container import make_container
    from nano_banana_lab.main.logs import configure_logs

    async def run() -> int:
        async with make_container(settings) as container:
            return await command(container)

    configure_logs(settings)
    try:
        return asyncio.run(run())
    except LabError as error:
        click.echo(f"{error.code}: {error}", err=True)
    except OSError as error:
        click.echo(str(error), err=True)
    return EXIT_FAILED
