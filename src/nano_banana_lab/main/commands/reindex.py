"""`nano-banana-lab reindex`: the history, rebuilt from the blob store."""

import click
from dishka import AsyncContainer

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.settings import Settings


@click.command("reindex")
@click.pass_obj
def command(settings: Settings) -> None:
    """Rebuild the history from the pictures in the blob store, and report files that do not fit.

    Safe beside a running service, and as often as you like.
    """
    run_in_lab(settings, reindex)


async def reindex(container: AsyncContainer) -> int:
    """Enter what is missing, finish what was being deleted, clear away what is left of chats and tasks, and report what does not fit.

    Returns 1 when a file has a trouble.
    """
    emptied = await (await container.get(DeletePictures)).empty_trash()
    report = await (await container.get(Reindex))()
    chats = await container.get(ChatSessions)
    await chats.leftovers.find()
    removed = await chats.leftovers.remove()
    held = await container.get(HoldPictures)
    await held.leftovers.find()
    removed_tasks = await held.leftovers.remove()
    for key, trouble in report.troubles:
        click.echo(f"{trouble}: {key}")
    click.echo(
        f"{report.restored} pictures restored, {report.present} already there, "
        f"{report.ghosts} records without a picture taken out, {len(report.troubles)} files with trouble, "
        f"{emptied} deletions finished, {removed} ended chats and {removed_tasks} ended tasks cleared away"
    )
    return 1 if report.troubles else 0
