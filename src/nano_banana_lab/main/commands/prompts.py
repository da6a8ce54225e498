"""`nano-banana-lab prompts`: the prompt library, without the service and beside it."""

from collections.abc import Sequence

import click
import msgspec
from dishka import AsyncContainer

from nano_banana_lab.core.prompts.library import Library, LibraryPage, LibraryQuery
from nano_banana_lab.core.prompts.prompt import CATEGORIES, Language
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.prompt_bodies import CategoryBody, LibraryBody, PromptBody
from nano_banana_lab.main.commands.options import as_json, for_user, in_language
from nano_banana_lab.main.commands.prompts_kept import add, counted, delete, favourite
from nano_banana_lab.main.commands.prompts_written import enhance, generate, variations
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import add_text_column, console, one_line, plain, show_json, table
from nano_banana_lab.main.settings import Settings

EXAMPLES = """Examples:

\b
  nano-banana-lab prompts list --category animals --search "snow"
  nano-banana-lab prompts add "a corgi in a teacup" --category animals --tag dog
  nano-banana-lab prompts generate food --style linocut --count 5
  nano-banana-lab prompts variations "a corgi in a teacup" | nano-banana-lab batch -
"""


@click.group("prompts", epilog=EXAMPLES)
def command() -> None:
    """Find prompts and keep them, or have some written.

    With --json prompts and categories look as they do in the answers of the API.
    """


@command.command("list")
@click.option("--category", type=click.Choice(CATEGORIES), help="Only these.")
@click.option("--search", metavar="TEXT", default="", help="Only those in which all of these words occur.")
@click.option("--favourites", is_flag=True, help="Only favourites.")
@in_language
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True, help="How many to pass over first.")
@for_user
@as_json
@click.pass_obj
def list_prompts(
    settings: Settings,
    *,
    category: str | None,
    search: str,
    favourites: bool,
    language: Language,
    limit: int,
    offset: int,
    owner: OwnerId,
    as_json: bool,
) -> None:
    """List prompts.

    Your own come first, the newest first, then those that ship with the lab.
    """
    query = LibraryQuery(
        owner=owner,
        language=language,
        category=category,
        search=search,
        favorites_only=favourites,
        limit=limit,
        offset=offset,
    )

    async def act(container: AsyncContainer) -> int:
        library = await container.get(Library)
        page = await library(query)
        if as_json:
            show_json(LibraryBody.of(page, library.categories(language)))
        else:
            _list(page)
        return 0

    run_in_lab(settings, act)


@command.command("categories")
@in_language
@for_user
@as_json
@click.pass_obj
def list_categories(settings: Settings, *, language: Language, owner: OwnerId, as_json: bool) -> None:
    """List what prompts are filed under, and how many there are."""

    async def act(container: AsyncContainer) -> int:
        library = await container.get(Library)
        counts = await library.counts(owner, language)
        categories = CategoryBody.all_of(library.categories(language), counts)
        if as_json:
            show_json(categories)
        else:
            _list_categories(categories)
        return 0

    run_in_lab(settings, act)


@command.command("show")
@click.argument("id")
@for_user
@as_json
@click.pass_obj
def show_prompt(settings: Settings, *, id: str, owner: OwnerId, as_json: bool) -> None:
    """Show all that is known of the prompt ID."""

    async def act(container: AsyncContainer) -> int:
        library = await container.get(Library)
        prompt = await library.one(owner, id)
        body = PromptBody.of(prompt, is_favorite=id in await library.favorites(owner))
        if as_json:
            show_json(body)
        else:
            _show(body)
        return 0

    run_in_lab(settings, act)


for _other in (add, favourite, delete, generate, enhance, variations):
    command.add_command(_other)


def _list(page: LibraryPage) -> None:
    if not page.prompts:
        click.echo("There is nothing to list.")
        return
    made = table("Id", "Category", "Favourite")
    add_text_column(made, "Prompt")
    for each in page.prompts:
        made.add_row(each.id, each.category, "yes" if each.id in page.favorites else "", one_line(each.text))
    console().print(made)
    click.echo(f"{len(page.prompts)} of {counted(page.total)}")


def _list_categories(categories: Sequence[CategoryBody]) -> None:
    made = table("Category", "Name", numbers=("Prompts",))
    made.add_column("Description")
    for each in categories:
        made.add_row(each.name, each.display_name, str(each.count), each.description)
    console().print(made)


def _show(prompt: PromptBody) -> None:
    for name, value in msgspec.structs.asdict(prompt).items():
        if value not in ("", ()):
            click.echo(f"{name}: {plain(', '.join(value) if isinstance(value, tuple) else str(value))}")
