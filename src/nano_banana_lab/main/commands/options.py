"""Options that several commands have."""

import functools
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution, SafetyLevel
from nano_banana_lab.core.prompts.prompt import ENGLISH
from nano_banana_lab.core.shared.ids import ANONYMOUS, OwnerId

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _values(choices: type[StrEnum]) -> list[str]:
    """What people type, which click would take the names of the members for."""
    return [each.value for each in choices]


_OWNER = re.compile(r"[a-z0-9-]{1,64}")
_LOOK: tuple[Decorator, ...] = (
    click.option("--aspect-ratio", metavar="W:H", default="16:9", show_default=True),
    click.option("--resolution", type=click.Choice(_values(Resolution)), default="1K", show_default=True),
    click.option("--safety-level", type=click.Choice(_values(SafetyLevel)), default="moderate", show_default=True),
)


def owner_id(_: click.Context, __: click.Parameter, user: str | None) -> OwnerId | None:
    """The user whom an option names. Raises `click.BadParameter` for what can be nobody's id."""
    if user is not None and not _OWNER.fullmatch(user):
        raise click.BadParameter("expected a user_folder_id such as 6fac44aa6f9ae93e, or anonymous")
    return None if user is None else OwnerId(user)


def with_look(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how a picture shall look; the command gets them as `look`, its `ImageSettings`."""

    @functools.wraps(command)
    def looking(*args: Any, aspect_ratio: str, resolution: str, safety_level: str, **others: Any) -> Any:
        look = ImageSettings(
            aspect_ratio=aspect_ratio, resolution=Resolution(resolution), safety_level=SafetyLevel(safety_level)
        )
        return command(*args, look=look, **others)

    return with_options(looking, _LOOK)


def with_options(command: Callable[..., Any], options: Sequence[Decorator]) -> Callable[..., Any]:
    """The command with these options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


for_user: Decorator = click.option(
    "--user",
    "owner",
    callback=owner_id,
    metavar="ID",
    default=ANONYMOUS,
    help="For this user, by user_folder_id; by default for anonymous, whose all is while nobody signs in.",
)

in_language: Decorator = click.option(
    "--language", metavar="TAG", default=ENGLISH, show_default=True, help="Prompts in this language, such as zh."
)

as_json: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else; all else goes to standard error."
)

into_folder: Decorator = click.option(
    "-d",
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to save the pictures; made if it is missing, by default here.",
)
