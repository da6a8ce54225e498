"""Pictures that a user names: files, or pictures of theirs in the lab."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from nano_banana_lab.core.generation.input_pictures import (
    MAX_PICTURE_BYTES,
    MAX_PICTURES,
    InputPicture,
    SentPicture,
    StoredPicture,
    check_count,
)
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.keys import PICTURES
from nano_banana_lab.core.history.picture import ImageNotFound
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.shared.ids import OwnerId, is_id


async def named_pictures(
    find: FindPictures, owner: OwnerId, names: Sequence[str], *, field: str = "--image"
) -> list[InputPicture]:
    """Each a file, else a picture of the owner's by its key or id, in the order given.

    Raises `click.ClickException` for what is neither, `ValidationFailed` naming `field` for too many,
    `InvalidImage` for too large a file, and `ImageNotFound`.
    """
    check_count(names, field=field, least=0, most=MAX_PICTURES)
    return [await named_picture(find, owner, name) for name in names]


async def named_picture(find: FindPictures, owner: OwnerId, name: str) -> InputPicture:
    """One of them, likewise."""
    path = Path(name)
    if await asyncio.to_thread(path.is_file):
        return SentPicture(data=await asyncio.to_thread(_read, path), field=click.format_filename(name))
    if name.startswith(PICTURES):
        return StoredPicture(key=name, field=name)
    if is_id(name):
        return StoredPicture(key=await _key(find, owner, name), field=name)
    raise click.ClickException(
        f"There is no file {click.format_filename(name)}, and it is neither the key nor the id of a picture."
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise InvalidImage(reason="too_many_bytes", field=click.format_filename(path))
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"Cannot read {click.format_filename(path)} ({error.strerror}).") from error


async def _key(find: FindPictures, owner: OwnerId, id: str) -> str:
    try:
        return (await find.one(owner, id)).key
    except ImageNotFound:
        raise ImageNotFound(field=id) from None
