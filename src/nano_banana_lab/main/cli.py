"""The command `nano-banana-lab`: the service, and the same use cases without it.

A command is a line in `COMMANDS` and a module of that name in `commands`, which is loaded when it is called.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import click

from nano_banana_lab.main.commands.run_in_lab import EXIT_MISCONFIGURED
from nano_banana_lab.main.commands.standard_streams import (
    drop_what_cannot_be_written,
    reopen_closed_streams,
    replace_what_cannot_be_shown,
)
from nano_banana_lab.main.read_settings import SettingsError, read_settings

EXIT_INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "Make pictures": {
        "generate": "Make one picture from words, from pictures, or from a web search.",
        "chat": "Make pictures in a conversation.",
        "batch": "Make a picture for each line of a file.",
    },
    "Look after pictures": {
        "history": "List, show, save and delete what was made.",
        "reindex": "Rebuild the history from the stored pictures.",
    },
    "Look for words": {
        "prompts": "Find prompts and keep them, or have some written.",
    },
    "Run the service": {
        "serve": "Serve the HTTP API.",
        "worker": "Make the pictures of batches and other tasks, on more machines.",
        "check": "Show the configuration and try every part of it.",
        "token": "Make, list and revoke access tokens, for programs.",
        "quota": "Show what the trial has spent today, or forgive it.",
        "openapi": "Print the OpenAPI document of the HTTP API.",
    },
}
"""What there is, by what it is for, each with its line in the list."""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C ends a command alike whether it is still being loaded or works already."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        return cast("click.Command", import_module(f"nano_banana_lab.main.commands.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self.list_commands(ctx)))
        for purpose, commands in COMMANDS.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(widest), line) for name, line in commands.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nano-banana-lab")
@click.pass_context
def cli(context: click.Context) -> None:
    """Make, refine and keep AI pictures with Google Gemini.

    Configured by environment variables or a .env file in the working directory; see .env.example.
    Commands end with 0 when all went well, 1 when something failed, 2 when they were misused or the lab
    is misconfigured, 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP, which let what is being paid for
    be finished and kept.
    """
    try:
        context.obj = read_settings()
    except SettingsError as error:
        click.echo(str(error), err=True)
        context.exit(EXIT_MISCONFIGURED)


def main() -> None:
    """Entry point of the console script."""
    reopen_closed_streams()
    replace_what_cannot_be_shown()
    try:
        cli(prog_name="nano-banana-lab")
    finally:
        drop_what_cannot_be_written()
