"""`nano-banana-lab token`: access tokens for programs, made without signing in; works beside a running service."""

from datetime import datetime
from typing import Any

import click
from dishka import AsyncContainer

from nano_banana_lab.core.identity.access_token import AccessToken, Scope
from nano_banana_lab.core.identity.access_tokens import USUAL_SCOPES, AccessTokens, TokenWish
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.main.commands.options import as_json, for_user
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import add_text_column, console, one_line, show_json, table
from nano_banana_lab.main.settings import Settings

NOT_NEEDED = "Nobody signs in here, so no token is looked at; AUTH_ENABLED=true changes that."
TOLD_ONCE = "This is the token; it cannot be shown again."
MAX_DAYS = 3650


@click.group("token")
def command() -> None:
    """Make, list and revoke access tokens, with which programs act for a user."""


@command.command("create")
@for_user
@click.option("--name", required=True, help="What it is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[scope.value for scope in USUAL_SCOPES],
    show_default=True,
    help="What it may do; can be given several times.",
)
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help="For how long; by default until it is revoked.")
@as_json
@click.pass_obj
def create_token(
    settings: Settings, owner: OwnerId, name: str, scopes: tuple[str, ...], days: int | None, *, as_json: bool
) -> None:
    """Print a new token of this user, who need not have signed in before, nor be known to GitHub."""
    wish = TokenWish(name=name, scopes=[Scope(scope) for scope in scopes], expires_in_days=days)
    run_in_lab(settings, lambda container: create(container, owner, wish, as_json=as_json))


@command.command("list")
@for_user
@as_json
@click.pass_obj
def list_tokens(settings: Settings, owner: OwnerId, *, as_json: bool) -> None:
    """List this user's tokens, without what must stay secret of them."""
    act = show_data if as_json else show
    run_in_lab(settings, lambda container: act(container, owner))


@command.command("revoke")
@for_user
@click.argument("token_id")
@click.pass_obj
def revoke_token(settings: Settings, owner: OwnerId, token_id: str) -> None:
    """Have a token refused from now on, by its id in the list."""
    run_in_lab(settings, lambda container: revoke(container, owner, token_id))


async def create(container: AsyncContainer, owner: OwnerId, wish: TokenWish, *, as_json: bool) -> int:
    """Print the token, alone so that it can be piped, or as a JSON document. Returns 0."""
    user = User(id=owner, login=owner, user_folder_id=owner)
    text, token = await (await container.get(AccessTokens)).create(Bearer.of(user), wish)
    if not (await container.get(Settings)).auth_enabled:
        click.echo(NOT_NEEDED, err=True)
    if as_json:
        show_json({"token": text.reveal(), **_data(token)})
        return 0
    click.echo(TOLD_ONCE, err=True)
    click.echo(text.reveal())
    return 0


async def show(container: AsyncContainer, owner: OwnerId) -> int:
    """Print a table of the tokens. Returns 0."""
    tokens = await (await container.get(AccessTokens)).of(owner)
    made = table("Id", "Begins with", "Scopes", "Created", "Last used", "Expires")
    add_text_column(made, "Name")
    for each in tokens:
        times = [_minute(time) for time in (each.created_at, each.last_used_at, each.expires_at)]
        made.add_row(each.id, each.prefix, ", ".join(each.scopes), *times, one_line(each.name))
    console().print(made if tokens else f"{owner} has no access tokens.")
    return 0


async def show_data(container: AsyncContainer, owner: OwnerId) -> int:
    """The same for programs, as one JSON document. Returns 0."""
    show_json({"tokens": [_data(each) for each in await (await container.get(AccessTokens)).of(owner)]})
    return 0


async def revoke(container: AsyncContainer, owner: OwnerId, token_id: str) -> int:
    """Revoke it and say so. Returns 0."""
    await (await container.get(AccessTokens)).revoke(owner, token_id)
    click.echo(f"{token_id}: refused from now on.")
    return 0


def _data(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "expires_at": token.expires_at,
    }


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
