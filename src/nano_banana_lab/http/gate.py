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

from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.caller import CALLER, Connection, owner_of
from nano_banana_lab.http.envelope import HEADERS_OF_EVERY_ANSWER
from nano_banana_lab.http.foreign_pages import CHANGING, refuse_foreign_pages
from nano_banana_lab.http.openapi import with_problems
from nano_banana_lab.http.rate_limit import UNLIMITED, RateLimit, RateLimited, buckets_of

GUARDS_ITSELF: Mapping[str, Any] = {"guards_itself": True}
"""The `opt` of a mounted application or a WebSocket, in front of which no `Gatekeeper` can stand."""


class Gate(ReceiveRoutePlugin):
    """Puts a `Gatekeeper` in front of every route that needs one, and documents there what it may answer.

    What a route says of itself decides: it demands a token unless its `security` has `{}`, no credentials,
    and is counted when it belongs to the API and its `opt` is not `UNLIMITED`; with `limiting` off nothing is counted.
    One that changes something is closed to web pages of other origins than `pages`; None lets all of them in.
    A route that is none of these, such as a probe, loses no time here.
    """

    def __init__(self, *, limiting: bool, pages: Collection[str] | None = None) -> None:
        self._limiting = limiting
        self._pages = pages

    def receive_route(self, route: BaseRoute) -> None:
        """Called by the framework for each route, before it builds what leads there.

        Raises `ImproperlyConfiguredException` for a route that would be open without having said so.
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
        limited = path.startswith("/api/") and not _says(handler, UNLIMITED)
        pages = self._pages if CHANGING & handler.http_methods else None
        if problems := _problems(handler, closed=closed, limited=limited, guarded=pages is not None):
            handler.responses = with_problems(handler.responses, *problems)
        inner = [each for each in handler.middleware or () if not isinstance(each, Gatekeeper)]
        counted = limited and self._limiting
        if closed or counted or pages is not None:
            handler.middleware = [Gatekeeper(closed=closed, limited=counted, pages=pages), *inner]


def _problems(handler: HTTPRouteHandler, *, closed: bool, limited: bool, guarded: bool) -> list[str]:
    """What a route may answer because of who asks, before it begins."""
    found = []
    if closed:
        found += ["authentication_failed", "service_unavailable"]
    if limited:
        found += ["rate_limit_exceeded", "service_unavailable"]
    if guarded:
        found += ["authorization_failed"]
    if CALLER in handler.parsed_fn_signature.parameters:
        found += ["validation_error"]  # of the caller's own key
    return found


def _says(handler: BaseRouteHandler, opt: Mapping[str, Any]) -> bool:
    return opt.items() <= handler.opt.items()


class Gatekeeper(ASGIMiddleware):
    """Refuses before any input is read: a page of a foreign origin with 403, then with 429 whoever asks too often,
    then with 401 whoever must be known and is not.

    A request counts for the owner that its token names, one without a valid token for the address it came from,
    and a guest's for both.
    While the store is away nobody is let in who would have to be looked up in it.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, *, closed: bool, limited: bool, pages: Collection[str] | None) -> None:
        self._closed = closed
        self._limited = limited
        self._pages = pages

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises `ForeignPage`, `RateLimited`, `AuthenticationFailed`, `StoreUnavailable`."""
        request: Connection = Request(scope)
        if self._pages is not None:
            refuse_foreign_pages(request, self._pages)
        owner: OwnerId | None = None
        stranger: AuthenticationFailed | None = None
        try:
            owner = await owner_of(request)
        except AuthenticationFailed as error:
            stranger = error
        if self._limited:
            await _count(request, owner)
        if self._closed and stranger is not None:
            raise stranger
        await next_app(scope, receive, send)


async def _count(request: Connection, owner: OwnerId | None) -> None:
    """Count the request, and let every answer to it say where the caller stands."""
    state = request.scope["state"]
    rate_limit: RateLimit = await state["dishka_container"].get(RateLimit)
    try:
        standing = await rate_limit.count(*buckets_of(owner, request.client.host if request.client else None))
    except RateLimited as refusal:
        state[HEADERS_OF_EVERY_ANSWER] = refusal.standing.headers
        raise
    state[HEADERS_OF_EVERY_ANSWER] = standing.headers
