"""`nano-banana-lab worker`: makes what services have taken on."""

import sys

import click

from nano_banana_lab.main.commands.run_in_lab import EXIT_MISCONFIGURED, run_in_lab
from nano_banana_lab.main.settings import Settings
from nano_banana_lab.main.work import serve_tasks


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="How many pictures at once; by default MAX_CONCURRENT_GENERATIONS.",
)
@click.pass_obj
def command(settings: Settings, concurrency: int | None) -> None:
    """Make the pictures of batches and other tasks until SIGTERM or Ctrl-C; needs REDIS_URL.

    For more machines: every process that serves works as well, unless WORKER_IN_PROCESS=false.
    """
    if settings.redis_url is None:
        click.echo(
            "A worker needs REDIS_URL: without it tasks live in the process that serves, which works on them.", err=True
        )
        sys.exit(EXIT_MISCONFIGURED)
    at_once, grace = concurrency or settings.max_concurrent_generations, settings.shutdown_grace_seconds
    run_in_lab(
        settings, lambda container: serve_tasks(container, concurrency=at_once, grace_seconds=grace), chatty=True
    )
