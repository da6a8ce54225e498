"""What every request passes before its route looks at it: who is asking, and how often?"""

from collections.abc import Collection, Mapping
from typing import Any

from litestar import Request
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from nano_banana_lab.core.identity.access_token import Scope as TokenScope
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.http.caller import CALLER, Connection, bearer_of
from nano_banana_lab.http.envelope import HEADERS_OF_EVERY_ANSWER
from nano_banana_lab.http.foreign_pages import CHANGING, refuse_foreign_pages
from nano_banana_lab.http.openapi import with_problems
from nano_banana_lab.http.rate_limit import UNLIMITED, RateLimit, RateLimited, buckets_of
from nano_banana_lab.http.scopes import document_scope, says_what_it_needs, scope_needed

GUARDS_ITSELF: Mapping[str, Any] = {"guards_itself": True}
"""The `opt` of a mounted application or a WebSocket, in front of which no `Gatekeeper` can stand."""


class Gate(ReceiveRoutePlugin):
    """Puts a `Gatekeeper` in front of every route that needs one, and documents there what it may answer.

    What a route says of itself decides: it demands a token unless its `security` has `{}`, no credentials,
    and an access token must have the scope that its `opt` names (see `scopes`).
    It is counted when it belongs to the API and its `opt` is not `UNLIMITED`; with `limiting` off nothing is counted.
    One that changes something is closed to web pages of other origins than `pages`; None lets all of them in.
    A route that is none of these, such as a probe, loses no time here.
    """

    def __init__(self, *, limiting: bool, pages: Collection[str] | None = None) -> None:
        self._limiting = limiting
        self._pages = pages

    def receive_route(self, route: BaseRoute) -> None:
        """Called by the framework for each route, before it builds what leads there.

        Raises `ImproperlyConfiguredException` for a route that would be open, or open to every access token,
        without having said so.
        """
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.http_methods != {HttpMethod.OPTIONS}:
                    self._guard(handler, route.path)
        elif not (isinstance(route, ASGIRoute | WebSocketRoute) and _says(route.route_handler, GUARDS_ITSELF)):
            raise ImproperlyConfiguredException(
                f"{route.path} would be open to everybody: whatever is not an HTTP route has to look at tokens itself, "
                "and to say so with opt=GUARDS_ITSELF"
            )

    def _guard(self, handler: HTTPRouteHandler, path: str) -> None:
        closed = {} not in handler.resolve_security()
        needed = _needed(handler, path) if closed else None
        limited = path.startswith("/api/") and not _says(handler, UNLIMITED)
        pages = self._pages if CHANGING & handler.http_methods else None
        refuses = needed is not None or pages is not None
        if problems := _problems(handler, closed=closed, limited=limited, refuses=refuses):
            handler.responses = with_problems(handler.responses, *problems)
        inner = [each for each in handler.middleware or () if not isinstance(each, Gatekeeper)]
        counted = limited and self._limiting
        if closed or counted or pages is not None:
            handler.middleware = [Gatekeeper(closed=closed, needed=needed, limited=counted, pages=pages), *inner]


def _needed(handler: HTTPRouteHandler, path: str) -> TokenScope | None:
    if not says_what_it_needs(handler):
        raise ImproperlyConfiguredException(f"{path} would be open to every access token; say so with opt=ANY_TOKEN")
    document_scope(handler)
    return scope_needed(handler)


def _problems(handler: HTTPRouteHandler, *, closed: bool, limited: bool, refuses: bool) -> list[str]:
    """What a route may answer because of who asks, before it begins."""
    found = []
    if closed:
        found += ["authentication_failed", "service_unavailable"]
    if limited:
        found += ["rate_limit_exceeded", "service_unavailable"]
    if refuses:
        found += ["authorization_failed"]
    if CALLER in handler.parsed_fn_signature.parameters:
        found += ["validation_error"]  # of the caller's own key
    return found


def _says(handler: BaseRouteHandler, opt: Mapping[str, Any]) -> bool:
    return opt.items() <= handler.opt.items()


class Gatekeeper(ASGIMiddleware):
    """Refuses before any input is read: a page of a foreign origin with 403, then with 429 whoever asks too often,
    then with 401 whoever must be known and is not, and with 403 an access token that was made for other things.

    A request counts for the owner that its token names, one without a valid token for the address it came from,
    and a guest's for both.
    While the store is away nobody is let in who would have to be looked up in it.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(
        self, *, closed: bool, needed: TokenScope | None, limited: bool, pages: Collection[str] | None
    ) -> None:
        self._closed = closed
        self._needed = needed
        self._limited = limited
        self._pages = pages

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises `ForeignPage`, `RateLimited`, `AuthenticationFailed`, `ScopeMissing`, `StoreUnavailable`."""
        request: Connection = Request(scope)
        if self._pages is not None:
            refuse_foreign_pages(request, self._pages)
        bearer: Bearer | None = None
        stranger: AuthenticationFailed | None = None
        try:
            bearer = await bearer_of(request)
        except AuthenticationFailed as error:
            stranger = error
        if self._limited:
            await _count(request, bearer)
        if self._closed and stranger is not None:
            raise stranger
        if self._needed is not None and bearer is not None:
            bearer.insist_on(self._needed)
        await next_app(scope, receive, send)


async def _count(request: Connection, bearer: Bearer | None) -> None:
    """Count the request, and let every answer to it say where the caller stands."""
    state = request.scope["state"]
    rate_limit: RateLimit = await state["dishka_container"].get(RateLimit)
    owner = bearer.owner if bearer else None
    try:
        standing = await rate_limit.count(*buckets_of(owner, request.client.host if request.client else None))
    except RateLimited as refusal:
        state[HEADERS_OF_EVERY_ANSWER] = refusal.standing.headers
        raise
    state[HEADERS_OF_EVERY_ANSWER] = standing.headers
