"""Pictures as files of the user's: what they are called, and how they are written."""

import asyncio
import itertools
import sys
import unicodedata
from pathlib import Path

import click

from nano_banana_lab.core.history.keys import SUFFIXES
from nano_banana_lab.core.history.picture import Picture

MAX_NAME_CHARACTERS = 40
STANDARD_OUTPUT = Path("-")
"""Stands for it where a file is asked for."""


def check_folder(output: Path | None) -> None:
    """Raise `click.ClickException` when nothing can be written there: to be asked before anything is paid."""
    if output is not None and not output.parent.is_dir():
        raise click.ClickException(f"There is no folder {click.format_filename(output.parent)}.")


def make_folder(folder: Path) -> None:
    """It is there afterwards. Raises `click.ClickException`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"Cannot make {click.format_filename(folder)} ({error.strerror}).") from error


def numbered_name(number: int, picture: Picture, *, of: int = 0) -> str:
    """Such as `01-a-corgi-in-a-teacup.png`, which sorts by its number when there are `of` of them."""
    digits = max(2, len(str(of)))
    words = _slug(picture.prompt)
    return f"{number:0{digits}}{'-' if words else ''}{words}{SUFFIXES[picture.mime_type]}"


async def write_picture(data: bytes, picture: Picture, *, output: Path | None, default: Path) -> Path:
    """Write to `output`, whatever was there; without it to `default`, or beside it when that name is taken.

    Returns where it is. Raises `click.ClickException`, saying where the picture is kept all the same.
    """
    path = output or default
    try:
        return await asyncio.to_thread(_replace if output else write_beside, path, data)
    except OSError as error:
        raise _unwritten(click.format_filename(path), error, picture) from error


async def write_where_wanted(data: bytes, picture: Picture, *, output: Path | None) -> Path:
    """As `write_picture`, to `-` on standard output, and by default to the picture's own name here."""
    if output != STANDARD_OUTPUT:
        return await write_picture(data, picture, output=output, default=Path(picture.filename))
    try:
        await asyncio.to_thread(_print, data)
    except OSError as error:
        raise _unwritten("standard output", error, picture) from error
    return output


def write_beside(path: Path, data: bytes) -> Path:
    """Write to `path`, or to `name-2`, `name-3` and so on: nothing that is there already is touched. Raises OSError."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    for each in itertools.chain([path], names):
        try:
            file = each.open("xb")
        except FileExistsError:
            continue
        try:
            with file:
                file.write(data)
        except OSError:
            each.unlink(missing_ok=True)
            raise
        return each
    raise AssertionError("there is always another name")


def _replace(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _unwritten(where: str, error: OSError, picture: Picture) -> click.ClickException:
    return click.ClickException(
        f"Cannot write {where} ({error.strerror}); the picture is in the history as {picture.id}."
    )


def _slug(text: str) -> str:
    """The first words, in lower case and joined by `-`; letters of any script stay."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(each if each.isalnum() else " " for each in plain).split()
    name = ""
    for word in words:
        if name and len(name) + 1 + len(word) > MAX_NAME_CHARACTERS:
            break
        name = f"{name}-{word}" if name else word[:MAX_NAME_CHARACTERS]
    return name
