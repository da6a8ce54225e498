"""What became of the prompts of a batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from nano_banana_lab.core.history.picture import Picture
from nano_banana_lab.core.tasks.task import Failure, ItemStatus
from nano_banana_lab.main.commands.run_in_lab import EXIT_FAILED
from nano_banana_lab.main.commands.shown import console, one_line, path_name, picture_data, show_json, table

SHOWN_CHARACTERS = 60
"""Of a prompt."""


class Outcome(msgspec.Struct, kw_only=True):
    """How far one of them has come; `trouble` is also what kept a picture that was made from being saved."""

    number: int
    prompt: str
    status: ItemStatus = ItemStatus.QUEUED
    file: Path | None = None
    picture: Picture | None = None
    trouble: Failure | None = None

    @property
    def is_good(self) -> bool:
        """Whether the picture is where it shall be."""
        return self.file is not None

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "number": self.number,
            "prompt": self.prompt,
            "status": self.status,
            "file": self.file,
            "picture": picture_data(self.picture) if self.picture else None,
            "error": {"code": self.trouble.code, "message": _sentence(self.trouble)} if self.trouble else None,
        }


def show_outcomes(outcomes: Sequence[Outcome], tasks: Sequence[str], *, as_json: bool) -> int:
    """Print them all; returns 1 unless all are good."""
    good = [each for each in outcomes if each.is_good]
    if as_json:
        failed = len(outcomes) - len(good)
        show_json({"tasks": tasks, "failed": failed, "items": [each.as_data() for each in outcomes]})
    else:
        made = table("#", "Prompt", "Outcome")
        made.add_column("Picture, or why there is none", overflow="fold")
        for each in outcomes:
            what = path_name(each.file) if each.file else _sentence(each.trouble) if each.trouble else ""
            made.add_row(str(each.number), _short(each.prompt), each.status, one_line(what))
        console().print(made)
        cost = sum(each.picture.cost_usd for each in outcomes if each.picture)
        click.echo(f"{len(good)} of {len(outcomes)} pictures made and saved, ${cost:.4f}")
    return 0 if len(good) == len(outcomes) else EXIT_FAILED


def _sentence(failure: Failure) -> str:
    return failure.sentence.format_map(_Known(failure.details))


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def _short(prompt: str) -> str:
    line = one_line(prompt)
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"
