"""Web pages that have no business here, opened by somebody whose browser reaches the lab.

Where nobody signs in, being able to reach it is all that is asked of a caller. A page cannot read the answers of
another origin, but a browser sends its requests (RFC 6454), and each may be a picture to be paid for.
"""

from collections.abc import Collection

from litestar.enums import HttpMethod

from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.http.caller import Connection

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
CHANGING = frozenset({HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE})


class ForeignPage(LabError):
    """A page of an origin that is not allowed wants something done."""

    code = "authorization_failed"
    sentence = "Web pages of another origin may not do this; an operator allows theirs in CORS_ORIGINS."


def refuse_foreign_pages(connection: Connection, allowed: Collection[str]) -> None:
    """Raises `ForeignPage` for a page of another origin than the lab's own and the allowed ones.

    Browsers say so in `Sec-Fetch-Site` (W3C Fetch Metadata) and, where that is not sent, by an `Origin` that is not the
    `Host`; other programs say neither, and nobody can make a browser lie for a page.
    """
    origin = connection.headers.get("origin")
    if origin in allowed:
        return
    site = connection.headers.get("sec-fetch-site")
    own = origin is None or _is_of(origin, connection.headers.get("host", ""))
    if not (own if site is None else site in ("same-origin", "none")):
        raise ForeignPage


def _is_of(origin: str, host: str) -> bool:
    """Whether they name the same host and port; an empty one names none."""
    scheme, _, authority = origin.partition("://")
    port = DEFAULT_PORTS.get(scheme, "")
    named = authority.removesuffix(port)
    return named != "" and named == host.removesuffix(port)
