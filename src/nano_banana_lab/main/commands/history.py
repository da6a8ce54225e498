"""`nano-banana-lab history`: what was made, without the service and beside it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from dishka import AsyncContainer

from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.find_pictures import FindPictures, HistoryPage, HistoryQuery
from nano_banana_lab.core.history.picture import ImageNotFound, Mode, Picture
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, read_blob
from nano_banana_lab.main.commands.options import as_json, for_user
from nano_banana_lab.main.commands.picture_files import STANDARD_OUTPUT, check_folder, write_where_wanted
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import (
    add_text_column,
    console,
    one_line,
    path_name,
    picture_data,
    plain,
    show_json,
    table,
)
from nano_banana_lab.main.commands.typed_lines import confirm
from nano_banana_lab.main.settings import Settings


@click.group("history")
def command() -> None:
    """List, show, save and delete what was made."""


@command.command("list")
@click.option(
    "--mode", type=click.Choice([mode.value for mode in Mode]), help="Only these; by default all that were generated."
)
@click.option("--search", metavar="TEXT", help="Only those with this in their prompt, in whatever case.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@for_user
@as_json
@click.pass_obj
def list_pictures(
    settings: Settings, *, mode: str | None, search: str | None, limit: int, owner: OwnerId, as_json: bool
) -> None:
    """List pictures, the newest first."""
    query = HistoryQuery(owner=owner, mode=Mode(mode) if mode else None, search=search, limit=limit)

    async def act(container: AsyncContainer) -> int:
        page = await (await container.get(FindPictures))(query)
        if as_json:
            show_json({"total": page.total, "pictures": [picture_data(each) for each in page.pictures]})
        else:
            _list(page)
        return 0

    run_in_lab(settings, act)


@command.command("show")
@click.argument("id")
@for_user
@as_json
@click.pass_obj
def show_picture(settings: Settings, *, id: str, owner: OwnerId, as_json: bool) -> None:
    """Show all that is known of the picture ID."""

    async def act(container: AsyncContainer) -> int:
        picture = await (await container.get(FindPictures)).one(owner, id)
        if as_json:
            show_json(picture_data(picture))
        else:
            _show(picture)
        return 0

    run_in_lab(settings, act)


@command.command("save")
@click.argument("id")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write, whatever is there, - is standard output; by default the picture's own name here.",
)
@for_user
@click.pass_obj
def save_picture(settings: Settings, *, id: str, output: Path | None, owner: OwnerId) -> None:
    """Write the picture ID to a file, byte for byte as it was made."""

    async def act(container: AsyncContainer) -> int:
        check_folder(output)
        picture = await (await container.get(FindPictures)).one(owner, id)
        try:
            data = await read_blob(await container.get(BlobStore), picture.key)
        except BlobNotFound:  # deleted since its record was read
            raise ImageNotFound from None
        path = await write_where_wanted(data, picture, output=output)
        if path != STANDARD_OUTPUT:
            click.echo(path_name(path))
        return 0

    run_in_lab(settings, act)


@command.command("delete")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@for_user
@click.pass_obj
def delete_pictures(settings: Settings, *, ids: tuple[str, ...], yes: bool, owner: OwnerId) -> None:
    """Delete pictures for good, with all that is known of them.

    Asks before it does so; in a script, where nobody can be asked, it needs --yes.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: say --yes to delete.")
    run_in_lab(settings, lambda container: _delete(container, owner, ids, ask=not yes))


async def _delete(container: AsyncContainer, owner: OwnerId, ids: Sequence[str], *, ask: bool) -> int:
    """Returns 1 when one of them was not there."""
    found = await (await container.get(FindPictures)).many(owner, [*dict.fromkeys(ids)])
    for missing in dict.fromkeys(each for each in ids if each not in found):
        click.echo(f"{ImageNotFound.code}: {ImageNotFound.sentence} ({plain(missing)})", err=True)
    if ask and found:
        for picture in found.values():
            click.echo(f"{picture.id}  {one_line(picture.prompt)}", err=True)
        confirm(f"Delete {_counted(len(found))} for good?")
    deleted = await (await container.get(DeletePictures))(owner, found)
    click.echo(f"{_counted(deleted)} deleted")
    return 0 if deleted == len({*ids}) else 1


def _list(page: HistoryPage) -> None:
    if not page.pictures:
        click.echo("There is nothing to list.")
        return
    made = table("Made (UTC)", "Id", "Mode", "Size")
    add_text_column(made, "Prompt")
    for each in page.pictures:
        size = f"{each.width}x{each.height}"
        made.add_row(f"{each.created_at:%Y-%m-%d %H:%M}", each.id, each.mode, size, one_line(each.prompt))
    console().print(made)
    click.echo(f"{len(page.pictures)} of {_counted(page.total)}")


def _show(picture: Picture) -> None:
    for name, value in picture_data(picture).items():
        if value not in (None, "", {}):
            click.echo(f"{name}: {plain(str(value))}")


def _counted(pictures: int) -> str:
    return f"{pictures} picture" if pictures == 1 else f"{pictures} pictures"
