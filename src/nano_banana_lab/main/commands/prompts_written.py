"""Prompts that a text model writes: `nano-banana-lab prompts generate`, `enhance` and `variations`."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from dishka import AsyncContainer

from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.prompts.prompt import CATEGORIES, Language, LibraryPrompt, VariationKind
from nano_banana_lab.core.prompts.write_prompts import WritePrompts
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.prompt_bodies import EnhancedBody, PromptBody, VariedBody, WrittenPromptsBody
from nano_banana_lab.main.commands.options import as_json, for_user, in_language
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import one_line, passing_time, plain, show_json
from nano_banana_lab.main.settings import Settings

T = TypeVar("T")


@click.command("generate")
@click.argument("category", metavar="CATEGORY", type=click.Choice(CATEGORIES))
@click.option("--style", metavar="TEXT", help="What they have in common, in at most 200 characters.")
@click.option("--count", type=click.IntRange(1, 30), default=10, show_default=True, help="How many.")
@in_language
@for_user
@as_json
@click.pass_obj
def generate(
    settings: Settings,
    *,
    category: str,
    style: str | None,
    count: int,
    language: Language,
    owner: OwnerId,
    as_json: bool,
) -> None:
    """Have prompts of a CATEGORY written, and keep them.

    No two are alike, and it is as many as asked for, or none. `prompts categories` lists the categories.
    """

    def show(written: list[LibraryPrompt]) -> None:
        if as_json:
            prompts = PromptBody.all_of(written)
            show_json(WrittenPromptsBody(prompts=prompts, count=len(written), category=category))
        else:
            for prompt in written:
                click.echo(f"{prompt.id}  {one_line(prompt.text)}")

    caller = Caller(owner=owner)
    _have_written(
        settings, lambda write: write(caller, category=category, style=style, count=count, language=language), show
    )


@click.command("enhance")
@click.argument("prompt")
@click.option("--language", metavar="TAG", help="The language to write in; by default the prompt's own.")
@for_user
@as_json
@click.pass_obj
def enhance(settings: Settings, *, prompt: str, language: str | None, owner: OwnerId, as_json: bool) -> None:
    """Have a PROMPT told better.

    What is written is shown and not kept.
    """

    def show(enhanced: str) -> None:
        if as_json:
            show_json(EnhancedBody(prompt=enhanced, original=prompt.strip()))
        else:
            click.echo(plain(enhanced))

    caller, spoken = Caller(owner=owner), None if language is None else Language(language)
    _have_written(settings, lambda write: write.enhance(caller, prompt, language=spoken), show)


@click.command("variations")
@click.argument("prompt")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in VariationKind]),
    default="style",
    show_default=True,
    help="In what they differ.",
)
@click.option("--count", type=click.IntRange(1, 10), default=5, show_default=True, help="How many.")
@for_user
@as_json
@click.pass_obj
def variations(settings: Settings, *, prompt: str, kind: str, count: int, owner: OwnerId, as_json: bool) -> None:
    """Have a PROMPT varied.

    The variations are other pictures of the same idea. They are shown, each in a line, and not kept.
    """

    def show(varied: list[str]) -> None:
        if as_json:
            show_json(VariedBody(prompts=varied))
        else:
            for text in varied:
                click.echo(one_line(text))

    caller = Caller(owner=owner)
    _have_written(settings, lambda write: write.vary(caller, prompt, count=count, kind=VariationKind(kind)), show)


def _have_written(settings: Settings, ask: Callable[[WritePrompts], Awaitable[T]], show: Callable[[T], None]) -> None:
    """Show what was written, also after Ctrl-C once it is being paid for."""

    async def act(container: AsyncContainer) -> int:
        write = await container.get(WritePrompts)

        async def write_and_show() -> None:
            written = await ask(write)
            progress.stop()
            show(written)

        with passing_time() as progress:
            progress.add_task("Writing")
            await write.paid_calls.run(write_and_show())
        return 0

    run_in_lab(settings, act)
