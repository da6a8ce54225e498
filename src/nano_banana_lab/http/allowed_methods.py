"""What `OPTIONS` answers: the methods of a path."""

from collections.abc import Awaitable, Callable, Iterable

from litestar import Response
from litestar.enums import HttpMethod
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute


class AllowedMethods(ReceiveRoutePlugin):
    """Lists all methods of a path in `Allow` (RFC 9110, section 10.2.1), as an answer 405 does.

    Litestar 2.25 lists only those that were registered first.
    """

    def receive_route(self, route: BaseRoute) -> None:
        """Called by the framework for each route, and again when it gets another method."""
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.http_methods == {HttpMethod.OPTIONS}:
                    handler.after_request = _answering(allowed(route.methods))


def allowed(methods: Iterable[str]) -> str:
    """The value of `Allow`. The envelope answers HEAD wherever GET is."""
    return ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))


def _answering(allow: str) -> Callable[[Response[None]], Awaitable[Response[None]]]:
    async def answer(response: Response[None]) -> Response[None]:
        response.headers["Allow"] = allow
        return response

    return answer
