"""How commands show things: to people on a terminal, and to programs as JSON."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from nano_banana_lab.core.history.picture import Picture

PIPED_WIDTH = 160
"""In characters, where there is no terminal to ask."""

_OURS = ("owner", "schema")
"""Of a record, what is nobody's business outside the lab."""


def show_json(document: Any) -> None:
    """Print one document in UTF-8, for programs; what they need not know of the types is left out."""
    click.echo(msgspec.json.format(msgspec.json.encode(document, enc_hook=_as_text), indent=2))


def picture_data(picture: Picture) -> dict[str, Any]:
    """What there is to know of a picture, by the names of its sidecar."""
    record: dict[str, Any] = msgspec.to_builtins(picture)
    return {name: value for name, value in record.items() if name not in _OURS}


def facts(picture: Picture) -> str:
    """The picture in brief."""
    cost = f"${picture.cost_usd:.4f}"
    return f"{picture.width}x{picture.height}, {picture.duration:.1f} s, {cost}, model {picture.model}"


def plain(text: str) -> str:
    """The text without what a terminal would obey instead of showing it."""
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


def one_line(text: str) -> str:
    """The text as a cell of a table."""
    return " ".join(plain(text).split())


def path_name(path: Path | None) -> str:
    """The path as people type it; empty for none."""
    return "" if path is None else click.format_filename(path)


def console() -> Console:
    """Standard output, wide enough for whole lines where there is no terminal; text is text, never markup."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, markup=False, highlight=False, emoji=False)


def table(*words: str, numbers: tuple[str, ...] = ()) -> Table:
    """A table with columns of words, then of numbers."""
    made = Table()
    for word in words:
        made.add_column(word, no_wrap=True)
    for number in numbers:
        made.add_column(number, justify="right", no_wrap=True)
    return made


def add_text_column(made: Table, name: str) -> None:
    """A column for texts of any length, cut to the room that the others leave."""
    made.expand = True
    made.add_column(name, overflow="ellipsis", no_wrap=True, ratio=1)


def passing_time() -> Progress:
    """That something is under way; on the terminal only, and never in what is piped on."""
    return _progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())


def progress_bar() -> Progress:
    """How much of something is done, likewise."""
    words = TextColumn("{task.description}", markup=False)
    return _progress(SpinnerColumn(), words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _as_text(value: object) -> str:
    return path_name(value) if isinstance(value, Path) else str(value)


def _progress(*columns: Any) -> Progress:
    """Standard output is left alone: rich would send what is printed meanwhile to the terminal, wherever it should go."""
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
        redirect_stderr=False,
    )
