"""The double behind a real socket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nano_banana_lab.testing.asgi_server import AsgiServer, serving
from nano_banana_lab.testing.github.accounts import Account
from nano_banana_lab.testing.github.oauth import OAuthApp
from nano_banana_lab.testing.github.wire import RecordedRequest

if TYPE_CHECKING:
    from nano_banana_lab.testing.github.app import GitHubApp

CLIENT_ID = "Iv1.8a61f9b3a7aba766"
CLIENT_SECRET = "test-secret-of-the-oauth-app"  # noqa: S105 - opens nothing but the double
CALLBACK = "http://127.0.0.1/"


class GitHubDouble:
    """A running double. Its methods may be called from any thread.

    `url` is what a client takes for github.com and for api.github.com;
    `requests` are in the order in which they arrived.
    """

    def __init__(self, app: "GitHubApp", server: AsgiServer) -> None:
        self.url = server.url
        self.client_id = app.oauth_app.client_id
        self.client_secret = app.oauth_app.client_secret
        self._app = app
        self._server = server

    @property
    def requests(self) -> list[RecordedRequest]:
        return list(self._app.requests)

    @property
    def tokens(self) -> list[str]:
        """Every token that was given out, in that order; for tests that look for them where they must not be."""
        return self._app.tokens

    @property
    def open_connections(self) -> int:
        """How many clients' sockets are connected now, idle ones included."""
        return self._server.open_connections

    def sign_in(self, account: Account) -> None:
        """From now on the browser is signed in as this account, and agrees; it is made if there is none."""
        self._server.do(lambda: self._sign_in(account))

    def script(self, **faults: str) -> None:
        """Let `authorize`, `token`, `user` or `emails` do as the fault says from now on. Raises `UnknownFault`."""
        self._server.do(lambda: self._app.script(faults))

    def clear(self) -> None:
        """Forget requests and script; who has an account, and what was agreed to, stays."""
        self._server.do(self._app.clear)

    def let_time_pass(self, seconds: float) -> None:
        """Let codes grow older."""
        self._server.do(lambda: setattr(self._app, "passed", self._app.passed + seconds))

    async def until(self, happened: Callable[[list[RecordedRequest]], bool]) -> None:
        """Return once `happened` is true of the requests; for what a test cannot be told of, such as a hang-up."""
        await self._server.until(lambda: happened(self.requests))

    def _sign_in(self, account: Account) -> None:
        self._app.accounts[account.login] = account
        self._app.signed_in = account.login


@contextmanager
def running_github(
    *, client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET, callback: str = CALLBACK
) -> Iterator[GitHubDouble]:
    """A double on a free port of this machine for as long as the block runs, where one OAuth app is registered."""
    from nano_banana_lab.testing.github.app import GitHubApp  # noqa: PLC0415 - only where it runs

    app = GitHubApp(OAuthApp(client_id=client_id, client_secret=client_secret, callback=callback))
    with serving(app, name="github-double") as server:
        yield GitHubDouble(app, server)
