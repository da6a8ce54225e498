"""What every request passes before its route looks at it: who is asking, and how often?"""

from litestar import Request
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.http.caller import Connection, owner_of
from nano_banana_lab.http.envelope import HEADERS_OF_EVERY_ANSWER
from nano_banana_lab.http.openapi import with_problems
from nano_banana_lab.http.rate_limit import UNLIMITED, RateLimit, RateLimited, counted_as


class Gate(ReceiveRoutePlugin):
    """Puts a `Gatekeeper` in front of every route that needs one, and documents there what it may answer.

    What a route says of itself decides: it demands a token unless its `security` has `{}`, no credentials,
    and is counted when it belongs to the API and its `opt` is not `UNLIMITED`; with `limiting` off nothing is counted.
    A route that is neither, such as a probe, loses no time here.
    """

    def __init__(self, *, limiting: bool) -> None:
        self._limiting = limiting

    def receive_route(self, route: BaseRoute) -> None:
        """Called by the framework for each route, before it builds what leads there."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if HttpMethod.OPTIONS not in handler.http_methods:
                self._guard(handler, route.path)

    def _guard(self, handler: HTTPRouteHandler, path: str) -> None:
        closed = {} not in handler.resolve_security()
        limited = path.startswith("/api/") and not handler.opt.keys() & UNLIMITED.keys()
        if closed:
            handler.responses = with_problems(handler.responses, "authentication_failed", "service_unavailable")
        if limited:
            handler.responses = with_problems(handler.responses, "rate_limit_exceeded", "service_unavailable")
        inner = [each for each in handler.middleware or () if not isinstance(each, Gatekeeper)]
        if closed or (limited and self._limiting):
            handler.middleware = [Gatekeeper(closed=closed, limited=limited and self._limiting), *inner]


class Gatekeeper(ASGIMiddleware):
    """Refuses before any input is read: with 429 whoever asks too often, with 401 whoever must be known and is not.

    A request counts for the owner that its token names, one without a valid token for the address it came from.
    While the store is away nobody is let in who would have to be looked up in it.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, *, closed: bool, limited: bool) -> None:
        self._closed = closed
        self._limited = limited

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises `RateLimited`, `AuthenticationFailed`, `StoreUnavailable`."""
        request: Connection = Request(scope)
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
        standing = await rate_limit.count(counted_as(owner, request.client.host if request.client else None))
    except RateLimited as refusal:
        state[HEADERS_OF_EVERY_ANSWER] = refusal.standing.headers
        raise
    state[HEADERS_OF_EVERY_ANSWER] = standing.headers
