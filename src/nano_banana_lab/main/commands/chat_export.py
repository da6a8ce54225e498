"""A chat as a file that lies beside its pictures."""

import asyncio
from urllib.parse import quote

import click
import msgspec

from nano_banana_lab.core.chat.conversation import Conversation
from nano_banana_lab.core.chat.export_chat import as_markdown
from nano_banana_lab.http.chat_bodies import ChatView, ExportFormat
from nano_banana_lab.main.commands.chat_talk import Talk
from nano_banana_lab.main.commands.picture_files import write_beside
from nano_banana_lab.main.commands.shown import path_name

SUFFIXES = {ExportFormat.MARKDOWN: ".md", ExportFormat.JSON: ".json"}


async def export(talk: Talk, view: ChatView, kind: str) -> None:
    """Write it and say where; as JSON it is what the API exports.

    Raises `LabError`, and `click.ClickException` for another kind or where nothing can be written.
    """
    formats = [each.value for each in ExportFormat]
    if kind not in formats:
        raise click.ClickException(f"A chat can be exported as: {', '.join(formats)}.")
    conversation, wanted = await talk.conversation(), ExportFormat(kind)
    if wanted is ExportFormat.JSON:
        document = msgspec.json.format(msgspec.json.encode(await view.export(conversation)), indent=2)
    else:
        document = as_markdown(conversation, await _links(talk, view, conversation)).encode()
    path = talk.folder / f"chat-{conversation.session.id}{SUFFIXES[wanted]}"
    try:
        click.echo(path_name(await asyncio.to_thread(write_beside, path, document)))
    except OSError as error:
        raise click.ClickException(f"Cannot write {path_name(path)} ({error.strerror}).") from error


async def _links(talk: Talk, view: ChatView, conversation: Conversation) -> dict[str, str]:
    """The pictures as files beside the document, those saved first that were made another day."""
    ids = [exchange.picture_id for exchange in conversation.exchanges]
    found = await view.find.many(talk.owner, ids)
    for number, picture in enumerate(found.values(), start=1):
        if picture.id not in talk.saved:
            talk.saved[picture.id] = await talk.write(picture, number=number)
    return {each: quote(path.name) for each, path in talk.saved.items() if each in ids}
