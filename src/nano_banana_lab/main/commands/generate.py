"""`nano-banana-lab generate`: one picture without the service."""

from pathlib import Path
from typing import Any

import click
import msgspec
from dishka import AsyncContainer

from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import Picture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.main.commands.options import as_json, for_user, with_look
from nano_banana_lab.main.commands.picture_files import STANDARD_OUTPUT, check_folder, write_where_wanted
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import facts, passing_time, path_name, picture_data, plain, show_json
from nano_banana_lab.main.commands.wish import Wish, wish_options
from nano_banana_lab.main.settings import Settings

EXAMPLES = """Examples:

\b
  nano-banana-lab generate "a corgi in a teacup" -o corgi.png --aspect-ratio 1:1
  nano-banana-lab generate "the weather in Lisbon this week as a chart" --search
  nano-banana-lab generate --image cat.jpg --image hat.png "the cat wears the hat"
  nano-banana-lab generate --image house.jpg --style "a woodcut"
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to be made, and where it shall go."""

    owner: OwnerId
    wish: Wish
    look: ImageSettings
    output: Path | None = None
    as_json: bool = False


@click.command("generate", epilog=EXAMPLES)
@click.argument("prompt", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write, whatever is there, - is standard output; by default the picture's own name here.",
)
@with_look
@wish_options
@for_user
@as_json
@click.pass_obj
def command(
    settings: Settings, /, *, owner: OwnerId, look: ImageSettings, output: Path | None, as_json: bool, **wish: Any
) -> None:
    """Make one picture from PROMPT, keep it in the history and write it to a file.

    With pictures, PROMPT says how to blend them, or what else to mind besides the style, and may be left out.
    """
    job = Job(owner=owner, wish=Wish(**wish), look=look, output=output, as_json=as_json)
    job.wish.check()
    if as_json and output == STANDARD_OUTPUT:
        raise click.UsageError("Standard output takes the picture or --json, not both.")
    run_in_lab(settings, lambda container: generate(container, job))


async def generate(container: AsyncContainer, job: Job) -> int:
    """Make the picture and write its untouched bytes, also after Ctrl-C once it is being paid for. Returns 0.

    Raises what `CarryOut` raises, and `click.ClickException` where nothing can be read or written.
    """
    check_folder(job.output)  # before anything is paid
    commission = await job.wish.commission(await container.get(FindPictures), job.owner, job.look)
    carry_out, paid_calls = await container.get(CarryOut), await container.get(PaidCalls)

    async def make_and_write() -> None:
        made = await carry_out(Caller(owner=job.owner), commission)
        path = await write_where_wanted(made.answer.data, made.picture, output=job.output)
        progress.stop()
        _show(made, path, job)

    with passing_time() as progress:
        progress.add_task(f"Making a {job.look.resolution} picture")
        await paid_calls.run(make_and_write())
    return 0


def _show(made: NewPicture, path: Path, job: Job) -> None:
    picture = made.picture
    if job.as_json:
        show_json({"file": path, "picture": picture_data(picture)})
        return
    to_error = path == STANDARD_OUTPUT
    click.echo(f"{path_name(path)} ({facts(picture)})\nKept in the history as {picture.id}", err=to_error)
    for line in _said(picture, thinking=job.wish.thinking):
        click.echo(plain(line), err=to_error)


def _said(picture: Picture, *, thinking: bool) -> list[str]:
    """What came with the picture, and where a web search had it from."""
    lines = [f"\n{picture.text_response}"] if picture.text_response else []
    if thinking and picture.thinking:
        lines.append(f"\nThoughts: {picture.thinking}")
    if picture.grounding and picture.grounding.sources:
        lines.append("\nSources:")
        lines += [f"  {source.title} {source.uri}" for source in picture.grounding.sources]
    return lines
