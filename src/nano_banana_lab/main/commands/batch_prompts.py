"""The prompts of a batch, and where each of them stands."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.tasks.submit_task import batch_of


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What a picture shall show; `place` is where its user wrote that."""

    text: str
    place: str


def read_prompts(file: str | None, options: Sequence[str]) -> list[Prompt]:
    """One for each line of the file (`-` is standard input) that is neither blank nor a `#` comment, then the options.

    Raises `click.ClickException` for a file that cannot be read, and `click.UsageError` when there are none at all.
    """
    given = [Prompt(text=text, place=f"--prompt {number}") for number, text in enumerate(options, start=1)]
    found = [*(_lines(file) if file else []), *given]
    if not found:
        raise click.UsageError("There are no prompts: name a file with one in each line, or use --prompt.")
    return found


def commissions(prompts: Sequence[Prompt], look: ImageSettings) -> list[Commission]:
    """What to make of them. Raises `ValidationFailed`, naming every bad one by its place."""
    made, wrong = list[Commission](), []
    for each in prompts:
        try:
            made += batch_of([each.text], look, most=1)
        except ValidationFailed as error:
            wrong += [msgspec.structs.replace(one, field=each.place) for one in error.errors]
    if wrong:
        raise ValidationFailed(wrong)
    return made


def _lines(file: str) -> list[Prompt]:
    text, name = (_typed(), "line") if file == "-" else (_read(Path(file)), click.format_filename(file))
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [Prompt(text=line, place=f"{name}:{number}") for number, line in lines if line and not line.startswith("#")]


def _typed() -> str:
    try:
        return sys.stdin.read().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise click.ClickException("Standard input is not text in UTF-8.") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{click.format_filename(path)} is not text in UTF-8.") from error
    except OSError as error:
        raise click.ClickException(f"Cannot read {click.format_filename(path)} ({error.strerror}).") from error
