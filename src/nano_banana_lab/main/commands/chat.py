"""`nano-banana-lab chat`: a conversation, line by line."""

from pathlib import Path

import click
from dishka import AsyncContainer

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.conversation import ChatSession
from nano_banana_lab.core.chat.send_message import SendMessage
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import BlobStore
from nano_banana_lab.http.chat_bodies import ChatView
from nano_banana_lab.main.commands.chat_export import export
from nano_banana_lab.main.commands.chat_talk import Talk
from nano_banana_lab.main.commands.options import for_user, into_folder, with_look
from nano_banana_lab.main.commands.picture_files import make_folder
from nano_banana_lab.main.commands.run_in_lab import EXIT_FAILED, run_in_lab, told
from nano_banana_lab.main.commands.shown import one_line
from nano_banana_lab.main.commands.typed_lines import TypedLines
from nano_banana_lab.main.settings import Settings

HELP = """Each line is a message; what is asked for below holds for the messages after it.

  /image FILE              attach a picture, a file or one from the history, to the next message
  /ratio 1:1               the shape of the pictures
  /resolution 2K           their size: 1K, 2K or 4K
  /save FILE               write the last picture to this file as well
  /export [markdown|json]  write the whole chat to a file
  /help                    this
  /quit                    end, as does Ctrl-D; the chat can be continued with --session"""

EXAMPLES = """Examples:

\b
  nano-banana-lab chat
  nano-banana-lab chat --session 0f8d1c6d5c7c4b2a9e3f1a2b3c4d5e6f
  printf 'a corgi in a teacup\\nthe same, asleep\\n' | nano-banana-lab chat -d corgis

In a chat, /help lists what else can be said.
"""


@click.command("chat", epilog=EXAMPLES)
@click.option("--session", metavar="ID", help="Go on with this chat instead of beginning one.")
@into_folder
@with_look
@for_user
@click.pass_obj
def command(settings: Settings, /, *, session: str | None, folder: Path, look: ImageSettings, owner: OwnerId) -> None:
    """Make pictures in a conversation: the model sees all that was said, and its own pictures.

    Reads a message from each line, from a terminal or a script, and saves each picture to a file.
    A message that fails leaves the chat as it was; a script with one ends with 1.
    """
    run_in_lab(settings, lambda container: chat(container, owner, session, folder, look))


async def chat(
    container: AsyncContainer, owner: OwnerId, session_id: str | None, folder: Path, look: ImageSettings
) -> int:
    """Talk until there are no more lines. Returns 1 when a message or command of a script failed.

    Raises `SessionNotFound`, and `click.ClickException` when nothing can be saved in the folder.
    """
    session = await _session(container, owner, session_id)
    make_folder(folder)
    lines, failed = TypedLines(), False
    talk = Talk(
        sessions=await container.get(ChatSessions),
        send_message=await container.get(SendMessage),
        blobs=await container.get(BlobStore),
        owner=owner,
        folder=folder,
        look=look,
        session=session,
    )
    view = await container.get(ChatView)
    if lines.is_terminal:
        click.echo("Say what to make; /help says what else there is, /quit ends.")
    while (line := lines.next("> ")) is not None and line.strip() != "/quit":
        failed |= not await _said(talk, view, line.strip())
    if talk.session is not None and talk.saved:
        click.echo(f"To go on later: nano-banana-lab chat --session {talk.session.id}")
    return EXIT_FAILED if failed and not lines.is_terminal else 0


async def _session(container: AsyncContainer, owner: OwnerId, id: str | None) -> ChatSession | None:
    if id is None:
        return None
    conversation, _ = await (await container.get(ChatSessions)).one(owner, id)
    session = conversation.session
    if session.title:
        click.echo(f"Going on after {session.message_count} messages: {one_line(session.title)}")
    return session


async def _said(talk: Talk, view: ChatView, line: str) -> bool:
    """Whether it went well; if not, it has been told why."""
    try:
        await _do(talk, view, line)
    except LabError as error:
        click.echo(told(error), err=True)
    except click.ClickException as error:
        click.echo(error.format_message(), err=True)
    else:
        return True
    return False


async def _do(talk: Talk, view: ChatView, line: str) -> None:
    word, _, rest = line.partition(" ")
    match word, rest.strip():
        case "", _:
            return
        case "/help", _:
            click.echo(HELP)
        case "/image", name if name:
            await talk.attach(name)
        case "/ratio", ratio if ratio:
            await talk.look_like(aspect_ratio=ratio)
        case "/resolution", resolution if resolution:
            await talk.look_like(resolution=resolution)
        case "/save", name if name:
            await talk.save(Path(name))
        case "/export", kind:
            await export(talk, view, kind or "markdown")
        case _ if word.startswith("/"):
            raise click.ClickException(
                f"There is no such command, or something is missing behind it: {word}; see /help."
            )
        case _:
            await talk.say(line)
