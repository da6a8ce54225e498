"""HTTP with GitHub. Importing this module takes a tenth of a second; import it in a thread."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from nano_banana_lab.adapters.github.answers import NoUseError

_MAX_BODY_BYTES = 256 * 1024


class GitHubConnection:
    """One pool of connections for everybody's sign-ins. How long an answer may take is up to the caller."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(
            # A transport of its own finds certificate authorities in the environment, but no proxies.
            transport=httpx2.AsyncHTTPTransport(),
            follow_redirects=False,
            timeout=None,  # the caller's deadline covers connecting and reading together
            # What is sent compressed could unpack to any size.
            headers={"user-agent": "nano-banana-lab", "accept-encoding": "identity"},
            # What GitHub wants to remember of one user must not follow the next.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def send(
        self, method: str, address: str, *, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """The status and the body of the answer; redirects are not followed. Raises `NoUseError`."""
        try:
            async with self._http.stream(method, address, headers=headers, data=form) as response:
                return response.status_code, await _body(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            failure = type(error).__name__
        raise NoUseError(failure)  # outside, or it would carry what could not be read

    async def aclose(self) -> None:
        await self._http.aclose()


async def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise NoUseError("an endless answer")
    return bytes(body)
