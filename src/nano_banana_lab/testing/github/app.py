"""The double as an ASGI application."""

import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from nano_banana_lab.testing.github.accounts import MONA, OCTOCAT, Account
from nano_banana_lab.testing.github.oauth import Grant, Grants, OAuthApp, OAuthError, is_below
from nano_banana_lab.testing.github.refusals import FAULTS, MEANINGS, OAUTH_ERRORS, described
from nano_banana_lab.testing.github.wire import (
    Receive,
    RecordedRequest,
    Reply,
    Request,
    Send,
    answer,
    answer_endlessly,
    answer_half,
    form,
    hang_up,
    json,
    page,
    read_request,
    recorded,
    until_hung_up,
)

_ENDPOINTS = {
    ("GET", "/login/oauth/authorize"): "authorize",
    ("POST", "/login/oauth/access_token"): "token",
    ("GET", "/user"): "user",
    ("GET", "/user/emails"): "emails",
}
_SAY = re.compile(r"say (?P<status>[2-5]\d\d) (?P<text>.*)", re.DOTALL)
_REMEMBER_ME = {"set-cookie": "_gh_sess=whoever-came-first; path=/; HttpOnly"}


class UnknownFault(ValueError):
    """A script names an endpoint or a fault that there is not."""


@dataclass(slots=True)
class GitHubApp:
    """Answers like GitHub and remembers what it was asked.

    The browser of `signed_in` agrees at once, unless the address names somebody else in `login`.
    """

    oauth_app: OAuthApp
    accounts: dict[str, Account] = field(default_factory=lambda: {each.login: each for each in (OCTOCAT, MONA)})
    signed_in: str = OCTOCAT.login
    requests: list[RecordedRequest] = field(default_factory=list)
    passed: float = 0.0
    _script: dict[str, str] = field(default_factory=dict)
    _grants: Grants = field(init=False)

    def __post_init__(self) -> None:
        self._grants = Grants(self.oauth_app)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await read_request(scope, receive)
        if request.path == "/" or request.path.startswith("/__double__/"):
            await answer(send, self._control(request))
            return
        record = recorded(request)
        self.requests.append(record)
        endpoint = _ENDPOINTS.get((request.method, request.path.removeprefix("/api/v3")), "")
        await self._serve(endpoint, request, record, receive, send)

    @property
    def tokens(self) -> list[str]:
        """Every token that was given out."""
        return self._grants.tokens

    def script(self, faults: Mapping[str, str]) -> None:
        """Let each of these endpoints do as its fault says from now on. Raises `UnknownFault`, and changes nothing."""
        for endpoint, fault in faults.items():
            if endpoint not in _ENDPOINTS.values() or not (fault in MEANINGS or _SAY.fullmatch(fault)):
                raise UnknownFault(f"{endpoint}: {fault}")
        self._script.update(faults)

    def clear(self) -> None:
        """Forget requests and script; who has an account, and what was agreed to, stays."""
        self.requests.clear()
        self._script.clear()

    async def _serve(
        self, endpoint: str, request: Request, record: RecordedRequest, receive: Receive, send: Send
    ) -> None:
        fault = self._script.get(endpoint, "")
        if fault == "hang":
            await until_hung_up(receive)
            record.hung_up = True
        elif fault == "disconnect":
            await hang_up(send, receive)
        elif fault == "endless":
            await answer_endlessly(send, receive)
            record.hung_up = True
        else:
            reply = self._reply(endpoint, request, fault)
            record.status = reply.status
            await (answer_half if fault == "cut" else answer)(send, reply)
            if fault == "cut":
                await hang_up(send, receive)

    def _reply(self, endpoint: str, request: Request, fault: str) -> Reply:
        if fault in FAULTS:
            return FAULTS[fault]
        if said := _SAY.fullmatch(fault):
            return Reply(int(said["status"]), said["text"].encode(), {"content-type": "application/json"})
        match endpoint:
            case "authorize":
                return self._authorize(request.query, fault)
            case "token":
                return self._exchange(request, fault)
            case "user" | "emails":
                return self._api(endpoint, request)
            case _:
                return json({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, 404)

    def _authorize(self, query: Mapping[str, str], fault: str) -> Reply:
        if query.get("client_id") != self.oauth_app.client_id:
            return page("Page not found", 404)
        account = self.accounts.get(query.get("login", ""), self.accounts[self.signed_in])
        said = _unless_refused(fault, lambda: {"code": self._grants.authorize(query, account, self._now())})
        said |= {"state": query["state"]} if "state" in query else {}
        back = query.get("redirect_uri", self.oauth_app.callback)
        if not is_below(back, self.oauth_app.callback):
            back = self.oauth_app.callback
        return Reply(302, b"", {"location": f"{back}{'&' if '?' in back else '?'}{urlencode(said)}", **_REMEMBER_ME})

    def _exchange(self, request: Request, fault: str) -> Reply:
        def exchanged() -> dict[str, str]:
            token, grant = self._grants.exchange(request.fields, self._now())
            return {"access_token": token, "scope": ",".join(grant.scopes), "token_type": "bearer"}

        said = _unless_refused(fault, exchanged)
        return json(said, headers=_REMEMBER_ME) if "json" in request.headers.get("accept", "") else form(said)

    def _api(self, endpoint: str, request: Request) -> Reply:
        if "user-agent" not in request.headers:
            return Reply(403, b"Request forbidden by administrative rules. Please make sure you have a User-Agent.")
        grant = self._grants.of_token(request.headers.get("authorization", ""))
        if grant is None:
            return FAULTS["401"]
        if endpoint == "emails" and not {"user", "user:email"} & set(grant.scopes):
            return FAULTS["404"]
        return json(_shown(endpoint, grant), headers={"x-oauth-scopes": ", ".join(grant.scopes), **_REMEMBER_ME})

    def _control(self, request: Request) -> Reply:
        match request.method, request.path.removeprefix("/__double__"):
            case "GET", "/":
                return json({"endpoints": sorted(_ENDPOINTS.values()), "faults": MEANINGS})
            case "GET", "/requests":
                return json(self.requests)
            case "DELETE", "/requests":
                self.clear()
            case "POST", "/script":
                try:
                    self.script(msgspec.json.decode(request.body, type=dict[str, str]))
                except (UnknownFault, msgspec.DecodeError) as error:
                    return json({"error": str(error)}, 400)
            case _:
                return json({"error": "no such path"}, 404)
        return Reply(204)

    def _now(self) -> float:
        return time.monotonic() + self.passed


def _unless_refused(fault: str, act: Callable[[], dict[str, str]]) -> dict[str, str]:
    if fault in OAUTH_ERRORS:
        return described(fault)
    try:
        return act()
    except OAuthError as error:
        return described(str(error))


def _shown(endpoint: str, grant: Grant) -> Any:
    if endpoint == "user":
        return grant.account.profile()
    return [each.shown() for each in grant.account.addresses]
