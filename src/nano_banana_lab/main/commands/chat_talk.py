"""What can be done in a chat."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.conversation import ChatSession, Conversation
from nano_banana_lab.core.chat.send_message import Message, SendMessage
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.generation.input_pictures import InputPicture, check_count
from nano_banana_lab.core.history.picture import ImageNotFound, Picture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, read_blob
from nano_banana_lab.main.commands.input_files import named_picture
from nano_banana_lab.main.commands.picture_files import numbered_name, write_picture
from nano_banana_lab.main.commands.shown import facts, passing_time, path_name, plain


@dataclass(kw_only=True)
class Talk:
    """A chat and what has been prepared for its next message; it is begun with the first one.

    Each method says on standard output what came of it, and raises `LabError` or `click.ClickException`
    when nothing did; then all is as before, attached pictures included.
    """

    sessions: ChatSessions
    send_message: SendMessage
    blobs: BlobStore
    owner: OwnerId
    folder: Path
    look: ImageSettings
    session: ChatSession | None = None
    attached: list[InputPicture] = field(default_factory=list)
    saved: dict[str, Path] = field(default_factory=dict)
    """Where pictures of the chat are, by their ids."""

    async def say(self, text: str) -> None:
        """Send the message, and save its picture, also after Ctrl-C once it is being paid for."""
        with passing_time() as progress:
            progress.add_task(f"Making a {self.look.resolution} picture")
            await self.send_message.paid_calls.run(self._answer(text, progress.stop))

    async def attach(self, name: str) -> None:
        """A picture for the next message."""
        loading = self.send_message.load_pictures
        picture = await named_picture(loading.find, self.owner, name)
        check_count([*self.attached, picture], field="/image", least=0)
        await loading.check(self.owner, [picture])
        self.attached.append(picture)
        click.echo(f"Attached {plain(picture.field)} to the next message")

    async def look_like(self, *, aspect_ratio: str | None = None, resolution: str | None = None) -> None:
        """How the pictures shall look from now on."""
        sizes = [each.value for each in Resolution]
        if resolution and resolution.upper() not in sizes:
            raise click.ClickException(f"A resolution is one of: {', '.join(sizes)}.")
        look = msgspec.structs.replace(
            self.look,
            aspect_ratio=aspect_ratio or self.look.aspect_ratio,
            resolution=Resolution(resolution.upper()) if resolution else self.look.resolution,
        )
        self.send_message.models.default.card.check(look)
        self.look = look
        click.echo(f"From now on {look.aspect_ratio} in {look.resolution}")

    async def save(self, path: Path) -> None:
        """The last picture, whatever was in that file."""
        conversation = await self.conversation()
        picture = await self.send_message.load_pictures.find.one(self.owner, conversation.exchanges[-1].picture_id)
        click.echo(path_name(await self.write(picture, output=path)))

    async def conversation(self) -> Conversation:
        """All that was said. Raises `click.ClickException` when nothing was, and `SessionNotFound` when it has expired."""
        if self.session is not None:
            conversation, _ = await self.sessions.one(self.owner, self.session.id)
            if conversation.exchanges:
                return conversation
        raise click.ClickException("There is no picture yet.")

    async def write(self, picture: Picture, *, output: Path | None = None, number: int = 0) -> Path:
        """Write a kept picture, by default into the folder as the chat's picture with this number.

        Raises `ImageNotFound` and `click.ClickException`.
        """
        try:
            data = await read_blob(self.blobs, picture.key)
        except BlobNotFound:
            raise ImageNotFound from None
        return await write_picture(data, picture, output=output, default=self.folder / numbered_name(number, picture))

    async def _answer(self, text: str, before_showing: Callable[[], None]) -> None:
        session = self.session or await self.sessions.begin(self.owner, aspect_ratio=self.look.aspect_ratio)
        self.session = session
        reply = await self.send_message(Caller(owner=self.owner), session.id, self._message(text))
        self.attached.clear()
        picture, data = reply.made.picture, reply.made.answer.data
        default = self.folder / numbered_name(reply.message_count // 2, picture)
        path = await write_picture(data, picture, output=None, default=default)
        self.saved[picture.id] = path
        before_showing()
        if picture.text_response:
            click.echo(plain(picture.text_response))
        click.echo(f"{path_name(path)} ({facts(picture)})")

    def _message(self, text: str) -> Message:
        return Message(
            text=text,
            pictures=tuple(self.attached),
            aspect_ratio=self.look.aspect_ratio,
            resolution=self.look.resolution,
            safety_level=self.look.safety_level,
        )
