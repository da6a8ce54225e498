"""`nano-banana-lab generate`: one picture without the service."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from dishka import AsyncContainer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import ANONYMOUS


async def generate(container: AsyncContainer, prompt: str, output: Path | None, look: Mapping[str, str]) -> int:
    """Make the picture and write its untouched bytes to `output`.

    Raises what `CarryOut` raises, and `click.ClickException` where nothing can be written.
    """
    if output is not None and not output.parent.is_dir():
        raise click.ClickException(f"There is no folder {output.parent}.")  # before anything is paid
    carry_out, settings = await container.get(CarryOut), msgspec.convert(look, ImageSettings)
    commission = generate_image(prompt, settings)
    with _progress() as progress:
        progress.add_task(f"Making a {settings.resolution} picture")
        made = await carry_out(Caller(owner=ANONYMOUS), commission)
    path = output or Path(made.picture.filename)
    try:
        await asyncio.to_thread(path.write_bytes, made.answer.data)
    except OSError as error:
        kept = f"the picture is in the history as {made.picture.id}"
        raise click.ClickException(f"Cannot write {path} ({error.strerror}); {kept}.") from error
    click.echo(_summary(made, path))
    return 0


def _progress() -> Progress:
    """Time passing, on the terminal only and never in what is piped on."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _summary(made: NewPicture, path: Path) -> str:
    picture = made.picture
    cost = f"${picture.cost_usd:.4f}"
    facts = f"{picture.width}x{picture.height}, {picture.duration:.1f} s, {cost}, model {picture.model}"
    return f"{path} ({facts})\nKept in the history as {picture.id}"
