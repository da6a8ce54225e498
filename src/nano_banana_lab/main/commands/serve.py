"""`nano-banana-lab serve`: the service."""

import sys

import click

from nano_banana_lab.main.commands.run_in_lab import EXIT_MISCONFIGURED
from nano_banana_lab.main.secret_key import NoSecretKey
from nano_banana_lab.main.serve import serve
from nano_banana_lab.main.settings import Settings


@click.command("serve")
@click.pass_obj
def command(settings: Settings) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C; running generations are finished first."""
    try:
        serve(settings)
    except NoSecretKey as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_MISCONFIGURED)
