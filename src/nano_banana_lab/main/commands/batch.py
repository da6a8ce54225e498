"""`nano-banana-lab batch`: a picture for each line of a file, without the service."""

from pathlib import Path

import click
import msgspec
from dishka import AsyncContainer

from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import BlobStore
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.ports import EventBus
from nano_banana_lab.core.tasks.submit_task import SubmitTask
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.main.commands.batch_outcomes import Outcome, show_outcomes
from nano_banana_lab.main.commands.batch_prompts import Prompt, commissions, read_prompts
from nano_banana_lab.main.commands.batch_run import Batch, working
from nano_banana_lab.main.commands.options import as_json, for_user, into_folder, with_look
from nano_banana_lab.main.commands.picture_files import make_folder
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import progress_bar
from nano_banana_lab.main.settings import Settings

EXAMPLES = """Examples:

\b
  nano-banana-lab batch prompts.txt -d corgis --resolution 2K
  nano-banana-lab batch --prompt "a corgi in a teacup" --prompt "the same corgi asleep"
  sort ideas.txt | nano-banana-lab batch - --json > outcomes.json
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures to make, and where they shall go."""

    owner: OwnerId
    prompts: list[Prompt]
    look: ImageSettings
    folder: Path
    as_json: bool


@click.command("batch", epilog=EXAMPLES)
@click.argument("prompts_file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--prompt", "options", multiple=True, metavar="TEXT", help="A prompt; may be repeated.")
@into_folder
@with_look
@for_user
@as_json
@click.pass_obj
def command(
    settings: Settings,
    /,
    *,
    prompts_file: str | None,
    options: tuple[str, ...],
    folder: Path,
    look: ImageSettings,
    owner: OwnerId,
    as_json: bool,
) -> None:
    """Make a picture for each line of PROMPTS_FILE, - for standard input; blank lines and # comments are skipped.

    The pictures are made at the same time, saved as 01-its-first-words.png and so on, and kept in the history.
    Ends with 1 when one of them came to nothing. More than BATCH_MAX_PROMPTS are made in several goes.
    """
    prompts = read_prompts(prompts_file, options)
    job = Job(owner=owner, prompts=prompts, look=look, folder=folder, as_json=as_json)
    run_in_lab(settings, lambda container: batch(container, job))


async def batch(container: AsyncContainer, job: Job) -> int:
    """Make and save them all and print what became of each, also after Ctrl-C. Returns 1 unless all went well.

    Raises `ValidationFailed` and the like before anything is made, and `click.ClickException` without a folder.
    """
    settings = await container.get(Settings)
    wanted = commissions(job.prompts, job.look)
    make_folder(job.folder)
    outcomes = [Outcome(number=at, prompt=each.prompt) for at, each in enumerate(wanted, start=1)]
    with progress_bar() as progress:
        bar = progress.add_task(f"Making {len(wanted)} pictures", total=len(wanted))
        pictures = await _pictures(container, job, outcomes, settings.batch_max_prompts)
        pictures.on_end = lambda: progress.advance(bar)
        try:
            async with working(container, concurrency=settings.max_concurrent_generations):
                await pictures.make(wanted)
        finally:
            progress.stop()
            if pictures.tasks:
                code = show_outcomes(outcomes, pictures.tasks, as_json=job.as_json)
    return code


async def _pictures(container: AsyncContainer, job: Job, outcomes: list[Outcome], most: int) -> Batch:
    return Batch(
        submit=await container.get(SubmitTask),
        cancel=await container.get(CancelTask),
        book=await container.get(TaskBook),
        bus=await container.get(EventBus),
        find=await container.get(FindPictures),
        blobs=await container.get(BlobStore),
        caller=Caller(owner=job.owner),
        folder=job.folder,
        most=most,
        outcomes=outcomes,
    )
