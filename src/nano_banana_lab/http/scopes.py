"""What an access token must have been made for so that a route lets it in; sessions are let in everywhere.

Every route that is not open says so in its `opt`, with one of these.
"""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from litestar.handlers import HTTPRouteHandler

from nano_banana_lab.core.identity.access_token import Scope

_NEEDS = "needs"

NEEDS_GENERATE: Mapping[str, Any] = {_NEEDS: Scope.GENERATE}
"""Of a route that has something made, or that is only good for that, whoever pays."""

NEEDS_READ: Mapping[str, Any] = {_NEEDS: Scope.READ}
"""Of a route that looks at what is the owner's and changes nothing."""

NEEDS_MANAGE: Mapping[str, Any] = {_NEEDS: Scope.MANAGE}
"""Of a route that changes or deletes what is the owner's."""

ANY_TOKEN: Mapping[str, Any] = {_NEEDS: None}
"""Of a route that is about whoever asks and nothing that they own."""


def says_what_it_needs(handler: HTTPRouteHandler) -> bool:
    """Whether the route said so."""
    return _NEEDS in handler.opt


def scope_needed(handler: HTTPRouteHandler) -> Scope | None:
    """What an access token must have been made for; None: for anything."""
    needed: Scope | None = handler.opt[_NEEDS]
    return needed


def document_scope(handler: HTTPRouteHandler) -> None:
    """Say so in the description of the operation too."""
    told = f"An access token needs the scope `{scope_needed(handler)}`."
    described = handler.description or cleandoc(handler.fn.__doc__ or "")
    if scope_needed(handler) is not None and told not in described:
        handler.description = f"{described}\n\n{told}".strip()
