"""Where a browser may be sent with a token or a code: nowhere but to the addresses on the list, however it is written."""

import re
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.core.identity.redirects import RedirectAllowlist

ORIGINS = ("https://lab.test", "http://[::1]:3000", "http://127.0.0.1:8080")
EXACT = "https://app.test/signed-in?from=lab"
APP = "com.example.lab:/signed-in"
ALLOWLIST = RedirectAllowlist([*ORIGINS, EXACT, APP])

TRUSTED = {("https", "lab.test", 443), ("http", "[::1]", 3000), ("http", "127.0.0.1", 8080), ("https", "app.test", 443)}


@pytest.mark.parametrize(
    "address",
    [
        "https://lab.test",
        "https://lab.test/",
        "https://LAB.test:443/deep/page.html?next=//evil.test&q=%2f%2Fevil.test",
        "HTTPS://lab.test?bare=query",
        "https://lab.test//evil.test/@evil.test:80",
        "http://[::1]:3000/callback",
        "http://127.0.0.1:8080/",
        EXACT,
        APP,
        "COM.example.lab:/signed-in",
    ],
)
def test_an_address_on_the_list_is_allowed(address: str) -> None:
    assert ALLOWLIST.allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "//lab.test/",
        "lab.test",
        "https:lab.test",
        "https:/lab.test",
        "https:///lab.test",
        "https://",
        "https:///evil.test",
        "http://lab.test",
        "ftp://lab.test",
        "javascript:alert(1)//https://lab.test",
        "data:text/html,https://lab.test",
        "https://evil.test",
        "https://lab.test.evil.test",
        "https://evil.lab.test",
        "https://lab.test.",
        "https://lab.test:8443/",
        "https://lab.test:",
        "https://lab.test:443443/",
        "https://lab.test:٤٤٣/",
        "https://lab.test@evil.test/",
        "https://evil.test@lab.test/",
        "https://user:password@lab.test/",
        "https://lab.test:443@evil.test/",
        "https://@lab.test/",
        "https://lab.test\\@evil.test/",
        "https://evil.test\\.lab.test/",
        "https:\\\\lab.test/",
        "https://evil.test%2f@lab.test/",
        "https://evil.test%2flab.test/",
        "https://lab.test%2eevil.test/",
        "https://lab%2etest/",
        "https://evil.test/https://lab.test/",
        "https://evil.test?https://lab.test/",
        "https://lab.test/#token=stolen",
        "https://lab.test/#",
        "https://ⓛab.test/",
        "https://lab。test/",
        "https://lab.te\u017ft/",
        "https://xn--lb-test.test/",
        "https://lab.test/ü",
        " https://lab.test/",
        "https://lab.test/ ",
        "https://lab.test/\n",
        "https://lab.test/\r\nSet-Cookie: a=b",
        "ht\ttps://lab.test/",
        "https://lab\u00ad.test/",
        "https://lab.test/\x00",
        "http://[::1]/callback",
        "http://[::1]:3001/callback",
        "http://[::2]:3000/",
        "http://[::1%25eth0]:3000/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://[::1].evil.test:3000/",
        "http://[::1]:3000.evil.test/",
        "http://127.0.0.1:8080.evil.test/",
        "http://2130706433:8080/",
        "http://localhost:8080/",
        "https://app.test/",
        "https://app.test/signed-in",
        "https://app.test/signed-in?from=lab&next=//evil.test",
        "https://app.test/signed-in/?from=lab",
        "https://app.test/x/../signed-in?from=lab",
        "com.example.lab:/",
        "com.example.lab:/signed-in/more",
        "com.example.lab://signed-in",
        "com.example.lab.evil:/signed-in",
        "https://lab.test/" + "a" * 2000,
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    assert not ALLOWLIST.allows(address)


def test_an_empty_list_allows_nothing() -> None:
    assert not RedirectAllowlist([]).allows("https://lab.test/")


@pytest.mark.parametrize(
    "entry",
    ["", "*", "lab.test", "localhost:3000", "https://*.lab.test", "https://lab%2etest", "https://lab.test/#", "https://me@lab.test",
     "javascript:/x", "myapp:/x", "myapp://x", "com.example.lab:", "com.example.lab://me@host", "https://lab.test:99999"],
)  # fmt: skip
def test_what_leads_nowhere_for_sure_cannot_be_put_on_the_list(entry: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RedirectAllowlist([entry])


PAGE = "https://exact.test/callback"
WITH_PAGE = RedirectAllowlist([PAGE, EXACT, APP, "https://lab.test"])


@pytest.mark.parametrize("target", [EXACT, APP, PAGE, "https://lab.test/a%20b", "https://lab.test"])
def test_an_allowed_page_may_pass_the_browser_on_to_an_allowed_address(target: str) -> None:
    assert WITH_PAGE.allows_return(f"{PAGE}?redirect_to={quote(target, safe='')}")
    assert not WITH_PAGE.allows(f"{PAGE}?redirect_to={quote(target, safe='')}")


@pytest.mark.parametrize("address", [PAGE, EXACT, APP, "https://lab.test/?redirect_to=anything"])
def test_a_browser_may_come_back_to_an_allowed_address(address: str) -> None:
    assert WITH_PAGE.allows_return(address)


@pytest.mark.parametrize(
    "query",
    [
        "?redirect_to=",
        "?redirect_to=https%3A%2F%2Fevil.test",
        "?redirect_to=https%3A%2F%2Flab.test%40evil.test",
        "?redirect_to=https%253A%252F%252Flab.test",
        "?redirect_to=https%3A%2F%2Flab.test%23x",
        "?redirect_to=https%3A%2F%2Flab.test%2F%0d%0aX%3A%20y",
        "?redirect_to=https%3A%2F%2Flab.t%C3%A9st",
        "?redirect_to=https://lab.test/&next=//evil.test",
        "?redirect_to=https://lab.test/#x",
        "?redirect_to=https://lab.test/+x",
        "?redirect_to=https://lab.test/\\x",
        "?x=y&redirect_to=https://lab.test/",
        "?next=//evil.test",
        "/more?redirect_to=https://lab.test/",
    ],
)
def test_no_page_may_pass_the_browser_on_elsewhere(query: str) -> None:
    assert not WITH_PAGE.allows_return(PAGE + query)
    assert not WITH_PAGE.allows_return(f"https://evil.test/{query}")


def seen_by_a_browser(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port to which a browser would go (WHATWG URL Standard), as far as this list can tempt it."""
    text = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    found = re.match(r"(?i)(https?):/*([^/?#]*)", text)
    if not found:
        return None
    scheme, server = found[1].lower(), found[2].rpartition("@")[2]
    host, port = re.fullmatch(r"(?s)(\[.*\]|[^:]*):?(.*)", server).groups()
    return scheme, unquote(host).lower(), int(port or {"http": 80, "https": 443}[scheme])


def pieces(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


HOSTS = pieces(
    "lab.test", "LAB.TEST", "evil.test", "lab.test.evil.test", "evil.test%2f.lab.test", "[::1]", "[::1", "127.0.0.1",
    "lab。test", "lab.test\\", "lab\t.test", "app.test", "",
)  # fmt: skip
ADDRESSES = st.one_of(
    st.builds(
        lambda *parts: "".join(parts),
        pieces("https", "http", "HTTPS", " https", "javascript", "com.example.lab", ""),
        pieces("://", "://", "://", ":/", ":", ":///", ":\\\\", "//"),
        pieces("", "", "", "evil.test@", "lab.test@", "lab.test:443@", "@", "evil.test\\@", "evil.test%2f@"),
        HOSTS,
        pieces("", "", ":443", ":8080", ":3000", ":", ":443@evil.test", ":0443", ":99999"),
        pieces(
            "", "/", "//evil.test", "/%2f%2fevil.test", "/..//evil.test", "\\evil.test", "?x=//evil.test", "@evil.test"
        ),
        st.text(alphabet="/\\@:?#%.e[]\t ", max_size=4),
    ),
    st.text(max_size=30).map(lambda tail: f"https://lab.test{tail}"),
    st.text(max_size=10).map(lambda head: f"https://{head}lab.test/"),
    st.text(),
)


@given(ADDRESSES)
def test_nothing_allowed_leads_a_browser_or_a_client_elsewhere(address: str) -> None:
    if not ALLOWLIST.allows(address):
        return
    if address.lower() == APP:
        return
    url = httpx.URL(address)
    default = {"http": 80, "https": 443}[url.scheme]

    assert seen_by_a_browser(address) in TRUSTED
    assert (url.scheme, f"[{url.host}]" if ":" in url.host else url.host, url.port or default) in TRUSTED
    assert (url.userinfo, url.fragment, "@" in url.netloc.decode()) == (b"", "", False)


@given(
    st.from_regex(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]{0,20}){0,4}(\?[A-Za-z0-9/?&=%-]{0,20})?", fullmatch=True),
    st.sampled_from(ORIGINS),
)
def test_every_page_of_an_allowed_origin_is_allowed(page: str, origin: str) -> None:
    assert ALLOWLIST.allows(origin + page)
