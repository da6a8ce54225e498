"""Prompts of one's own: `nano-banana-lab prompts add`, `favourite` and `delete`."""

import sys
from collections.abc import Awaitable, Callable, Sequence

import click
from dishka import AsyncContainer

from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptDraft
from nano_banana_lab.core.prompts.prompt import CATEGORIES, CUSTOM, BuiltInPrompt, Language, PromptNotFound
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.prompt_bodies import PromptBody
from nano_banana_lab.main.commands.options import as_json, for_user, in_language
from nano_banana_lab.main.commands.run_in_lab import run_in_lab, told
from nano_banana_lab.main.commands.shown import one_line, plain, show_json
from nano_banana_lab.main.commands.typed_lines import confirm
from nano_banana_lab.main.settings import Settings


@click.command("add")
@click.argument("text")
@click.option("--category", type=click.Choice(CATEGORIES), default=CUSTOM, show_default=True)
@click.option("--description", metavar="TEXT", default="", help="What comes of it, in at most 500 characters.")
@click.option("--tag", "tags", metavar="WORD", multiple=True, help="A word to find it by; may be repeated.")
@in_language
@for_user
@as_json
@click.pass_obj
def add(
    settings: Settings,
    *,
    text: str,
    category: str,
    description: str,
    tags: tuple[str, ...],
    language: Language,
    owner: OwnerId,
    as_json: bool,
) -> None:
    """Keep the prompt TEXT."""
    draft = PromptDraft(text=text, description=description, tags=tags)

    async def act(container: AsyncContainer) -> int:
        own = await container.get(OwnPrompts)
        [kept] = own.prepared([draft], category=category, language=language)
        await own.keep(owner, [kept])
        if as_json:
            show_json(PromptBody.of(kept, is_favorite=False))
        else:
            click.echo(f"Kept as {kept.id}")
        return 0

    run_in_lab(settings, act)


@click.command("favourite")
@click.argument("id")
@for_user
@as_json
@click.pass_obj
def favourite(settings: Settings, *, id: str, owner: OwnerId, as_json: bool) -> None:
    """Make the prompt ID a favourite, or not one any more."""

    async def act(container: AsyncContainer) -> int:
        is_favorite = await (await container.get(OwnPrompts)).toggle_favorite(owner, id)
        if as_json:
            show_json({"prompt_id": id, "is_favorite": is_favorite})
        else:
            click.echo(f"{id} is a favourite now" if is_favorite else f"{id} is no favourite any more")
        return 0

    run_in_lab(settings, act)


@click.command("delete")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@for_user
@as_json
@click.pass_obj
def delete(settings: Settings, *, ids: tuple[str, ...], yes: bool, owner: OwnerId, as_json: bool) -> None:
    """Delete prompts of your own for good.

    Asks before it does so; in a script, where nobody can be asked, it needs --yes.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: say --yes to delete.")

    async def act(container: AsyncContainer) -> int:
        own, wanted = await container.get(OwnPrompts), [*dict.fromkeys(ids)]
        agreed = wanted if yes else await _agreed(own, owner, wanted)
        deleted = await _those_done(agreed, lambda each: own.delete(owner, each))
        if as_json:
            show_json({"deleted": deleted})
        else:
            click.echo(f"{counted(len(deleted))} deleted")
        return 0 if len(deleted) == len(wanted) else 1

    run_in_lab(settings, act)


def counted(prompts: int) -> str:
    """So many prompts, in words."""
    return f"{prompts} prompt" if prompts == 1 else f"{prompts} prompts"


async def _agreed(own: OwnPrompts, owner: OwnerId, ids: Sequence[str]) -> list[str]:
    """Those that are there, shown on standard error and agreed to. Raises `click.Abort` when they are not."""

    async def show(id: str) -> None:
        prompt = await own.library.one(owner, id)
        click.echo(f"{prompt.id}  {one_line(prompt.text)}", err=True)

    found = await _those_done(ids, show)
    if found:
        confirm(f"Delete {counted(len(found))} for good?")
    return found


async def _those_done(ids: Sequence[str], act: Callable[[str], Awaitable[None]]) -> list[str]:
    """With which of them it went well; of the others it is told why it did not."""
    done = []
    for each in ids:
        try:
            await act(each)
        except (PromptNotFound, BuiltInPrompt) as error:
            click.echo(f"{told(error)} ({plain(each)})", err=True)
        else:
            done.append(each)
    return done
