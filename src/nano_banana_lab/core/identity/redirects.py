"""Where a browser may be sent with something secret in its address."""

import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_ADDRESS_CHARACTERS = 2000

# Browsers and parsers disagree about odd addresses: backslashes, user info, tabs, other scripts, percent signs in a host.
# So this is no parser of all that is an address but a grammar of those that leave no doubt about where they lead.
_LEGAL = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")
"""The characters of RFC 3986 section 2, without the one that begins a fragment."""
_WEB = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?([/?].*)?", re.IGNORECASE)
_APP = re.compile(r"([a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:)(//[^/?@]*(?:[/?].*)?|/[^/].*|/)", re.IGNORECASE)
"""A scheme of an app's own has a period in it, as RFC 8252 section 8.4 wants; `javascript` and `data` have none."""
_IN_A_QUERY = re.compile(r"[A-Za-z0-9._~:/?@!$'()*,;=%-]+")
"""What stands for one value there whoever reads it: no `&`, and no `+`, which some take for a space."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Who answers there (scheme, host and port; an app's scheme), and what is asked of them (path and query)."""

    origin: str
    rest: str


def parse_address(text: str) -> Address | None:
    """An address of http, https or of an app's own scheme, without user info and fragment; None for anything else."""
    if len(text) > MAX_ADDRESS_CHARACTERS or not _LEGAL.fullmatch(text):
        return None
    if app := _APP.fullmatch(text):
        return Address(app[1].lower(), app[2])
    if not (web := _WEB.fullmatch(text)):
        return None
    scheme, host, rest = web[1].lower(), web[2].lower(), web[4] or "/"
    port = int(web[3]) if web[3] else _DEFAULT_PORTS[scheme]
    if port > 65535:
        return None
    return Address(f"{scheme}://{host}:{port}", rest if rest.startswith("/") else f"/{rest}")


class RedirectAllowlist:
    """Addresses that are allowed exactly; one without path and query allows everything at that scheme, host and port.

    Anything looser would let an open redirect of an allowed page carry a token on, for it stays in the address.
    Raises ValueError for an entry that `parse_address` does not know.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(_known(each) for each in allowed)

    def allows(self, text: str) -> bool:
        """Whether a browser may be sent there."""
        address = parse_address(text)
        return address is not None and not self._allowed.isdisjoint({address, address._replace(rest="/")})

    def allows_return(self, text: str) -> bool:
        """Whether a browser may be sent back there from elsewhere: to an allowed address, or by way of one to another.

        By way of one is its address with nothing but a `redirect_to` in the query, which is allowed as well.
        """
        page, _, target = text.partition("?redirect_to=")
        passed_on = _IN_A_QUERY.fullmatch(target) is not None and self.allows(_decoded(target)) and self.allows(page)
        return passed_on or self.allows(text)


def _decoded(text: str) -> str:
    """Without percent-encoding; what is no ASCII becomes something that is no address."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _known(text: str) -> Address:
    if (address := parse_address(text)) is None:
        raise ValueError("an allowed redirect must be an address of http, https or of an app")
    return address
