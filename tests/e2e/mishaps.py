"""A visit to a lab during which everything goes wrong that can, so that afterwards one may look at what was told of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.github import GitHubDouble

APP = "https://app.example.org/in"
PROMPT = "a lighthouse that everybody may see"
NOBODY = "0" * 32
PNG, TEXT = {"Content-Type": "image/png"}, {"Content-Type": "text/plain"}
STRICT = {
    "AUTH_ENABLED": "true",
    "REDIRECT_ALLOWLIST": APP,
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_REQUESTS": "150",
    "RATE_LIMIT_WINDOW": "86400",
    "TRIAL_ENABLED": "true",
    "TRIAL_GLOBAL_QUOTA": "100000",
    "TRIAL_COOLDOWN_SECONDS": "3600",
    "TRIAL_SEARCH_LIMIT": "0",
    "MAX_CONCURRENT_GENERATIONS": "1",
    "MAX_WAITING_GENERATIONS": "0",
    "MAX_REQUEST_BYTES": "100000",
    "GENERATION_TIMEOUT_SECONDS": "60,60,1",
}
"""Settings with which all of this goes wrong within seconds."""

UPSTREAM = {
    "": "",
    "[[blocked]]": "content_blocked",
    "[[no-image]]": "no_image",
    "[[bad-key]]": "invalid_api_key",
    "[[suspended-key]]": "invalid_api_key",  # Google repeats the key
    "[[429]]": "upstream_rate_limited",
    "[[500]]": "upstream_error",
    "[[garbage]]": "upstream_error",
    "[[html-502]]": "upstream_error",
    "[[disconnect]]": "upstream_error",
    "[[cut]]": "upstream_error",
    "[[redirect]]": "upstream_error",
}
"""What Google does, by its marker, and what the lab says then."""


@dataclass(kw_only=True)
class Visit:
    """What was answered; `given` are those answers that hand out a secret to whom it belongs."""

    client: httpx.AsyncClient
    callers_key: str
    answers: list[httpx.Response] = field(default_factory=list)
    given: list[httpx.Response] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, code: str = "", *, token: str = "", **sent: Any) -> httpx.Response:
        """The answer, which must be a success, or this problem."""
        headers = sent.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        answer = await self.client.request(method, path, headers=headers, **sent)
        self.answers.append(answer)
        told = answer.json()["code"] if answer.status_code >= 400 else ""
        assert told == code, f"{method} {path}: {answer.status_code} {answer.text}"
        self.codes.add(code)
        return answer

    async def obtain(self, method: str, path: str, **sent: Any) -> Any:
        """The body of an answer that is secret."""
        answer = await self.ask(method, path, **sent)
        self.given.append(self.answers.pop())
        return answer.json()

    async def guest(self) -> str:
        """The token of somebody new."""
        self.tokens.append((await self.obtain("POST", "/api/auth/guest"))["access_token"])
        return self.tokens[-1]

    @property
    def own_key(self) -> dict[str, str]:
        return {"X-API-Key": self.callers_key}


async def google_fails(visit: Visit) -> None:
    """In every way, once for a caller with a key and once for one without."""
    for marker, code in UPSTREAM.items():
        sent = {"json": {"prompt": f"{PROMPT} {marker}"}}
        await visit.ask("POST", "/api/generate", code, token=await visit.guest(), headers=visit.own_key, **sent)
        await visit.ask("POST", "/api/generate", code, token=await visit.guest(), **sent)
    writer = await visit.guest()
    for marker in ("[[suspended-key]]", "[[bad-key]]"):
        sent = {"json": {"prompt": f"{PROMPT} {marker}"}}
        await visit.ask("POST", "/api/prompts/enhance", "invalid_api_key", token=writer, headers=visit.own_key, **sent)
        await visit.ask("POST", "/api/prompts/enhance", "invalid_api_key", token=writer, **sent)
    hung = {"prompt": f"{PROMPT} [[hold for ever]]", "settings": {"resolution": "4K"}}
    await visit.ask("POST", "/api/generate", "upstream_timeout", token=writer, headers=visit.own_key, json=hung)


async def nothing_is_found(visit: Visit) -> None:
    token, builtin = await visit.guest(), {"limit": "1"}
    prompt = (await visit.ask("GET", "/api/prompts", token=token, params=builtin)).json()["prompts"][0]["id"]
    await visit.ask("GET", "/no-such-path", "not_found", headers=visit.own_key)
    await visit.ask("GET", f"/api/history/{NOBODY}", "image_not_found", token=token, headers=visit.own_key)
    await visit.ask("GET", f"/api/chat/{NOBODY}", "session_not_found", token=token)
    await visit.ask("GET", f"/api/generate/task/{NOBODY}", "task_not_found", token=token)
    await visit.ask("DELETE", f"/api/prompts/{NOBODY}", "prompt_not_found", token=token)
    await visit.ask("DELETE", f"/api/prompts/{prompt}", "authorization_failed", token=token)


async def requests_are_wrong(visit: Visit) -> None:
    token = await visit.guest()
    key = visit.own_key
    picture = (await visit.ask("POST", "/api/generate", token=token, json={"prompt": PROMPT}, headers=key)).json()
    bytes_ = picture["image"]["url"]
    await visit.ask("PUT", "/api/history", "method_not_allowed", token=token, headers=key)
    await visit.ask("POST", "/api/generate", "unsupported_media_type", token=token, content=b"x", headers=key | TEXT)
    await visit.ask("POST", "/api/generate", "payload_too_large", token=token, headers=key, content=b"x" * 200_000)
    await visit.ask("POST", "/api/generate", "validation_error", token=token, headers=key, content=b"{")
    await visit.ask("POST", "/api/images", "invalid_image", token=token, content=b"x", headers=key | PNG)
    await visit.ask("GET", bytes_, "range_not_satisfiable", token=token, headers={"Range": "bytes=999999999-"})
    await visit.ask("GET", bytes_, token=token)
    odd = {"X-API-Key": f"{visit.callers_key} \xe9".encode()}
    await visit.ask("POST", "/api/generate", "validation_error", token=token, json={"prompt": PROMPT}, headers=odd)
    await visit.ask("GET", "/api/history", "authentication_failed", token=f"{token}x")
    await visit.obtain("GET", f"/{token}/eyJ/{visit.tokens[0]}", code="not_found")  # told where nothing is
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    await visit.ask("GET", "/api/history", token=token, headers=key | upgrade)


async def limits_are_reached(visit: Visit, gemini: GeminiDouble) -> None:
    token = await visit.guest()
    await visit.ask("POST", "/api/generate", token=token, json={"prompt": PROMPT})
    await visit.ask("POST", "/api/generate", "cooldown_active", token=token, json={"prompt": PROMPT})
    await visit.ask(
        "POST", "/api/generate/search", "quota_exceeded", token=await visit.guest(), json={"prompt": PROMPT}
    )
    await _everybody_wants_the_same(visit, gemini)
    eager = await visit.guest()
    for _ in range(150):
        await visit.ask("GET", "/api/quota", token=eager)
    await visit.ask("GET", "/api/quota", "rate_limit_exceeded", token=eager, headers=visit.own_key)


async def _everybody_wants_the_same(visit: Visit, gemini: GeminiDouble) -> None:
    token, once = await visit.guest(), {"Idempotency-Key": "once"}
    chat = f"/api/chat/{(await visit.ask('POST', '/api/chat', token=token, json={})).json()['session_id']}/message"
    held, said = {"prompt": f"{PROMPT} [[hold it]]"}, {"message": f"{PROMPT} [[hold it]]"}
    key = visit.own_key
    first = asyncio.create_task(visit.ask("POST", chat, token=token, json=said, headers=key))
    await _held(gemini, 1)
    await visit.ask("POST", chat, "session_busy", token=token, json=said, headers=key)
    await visit.ask("POST", "/api/generate", "overloaded", token=token, json=held, headers=key)
    gemini.release("it")
    await first
    gemini.clear()
    second = asyncio.create_task(visit.ask("POST", "/api/generate", token=token, json=held, headers=key | once))
    await _held(gemini, 1)
    await visit.ask("POST", "/api/generate", "idempotency_conflict", token=token, json=held, headers=key | once)
    gemini.release("it")
    await second
    await visit.ask("POST", "/api/generate", token=token, json=held, headers=key | once)


async def tasks_are_in_the_way(visit: Visit, gemini: GeminiDouble, look: Callable[[], None]) -> None:
    """Batches with and without a key; `look` is called while the first item is being made."""
    gemini.clear()
    prompts = [f"{PROMPT} [[hold it]]", f"{PROMPT} [[blocked]]"]
    tokens = [await visit.guest() for _ in range(2)]
    sent = zip(tokens, (visit.own_key, {}), strict=True)
    tasks = [
        (await visit.ask("POST", "/api/generate/batch", token=token, headers=key, json={"prompts": prompts})).json()
        for token, key in sent
    ]
    paths = [f"/api/generate/task/{task['task_id']}" for task in tasks]
    await _held(gemini, 1)
    look()
    await visit.ask("POST", f"{paths[0]}/retry", "task_running", token=tokens[0])
    gemini.release("it")
    for path, token in zip(paths, tokens, strict=True):
        await visit.ask("GET", f"{path}/events", token=token)
        await visit.ask("DELETE", path, "task_finished", token=token)
        await visit.ask("GET", path, token=token)


async def people_sign_in(visit: Visit, github: GitHubDouble) -> list[str]:
    """Some try in vain. Returns the codes, the states and whatever else of it was nobody's business."""
    secrets = list[str]()
    for fault, code in _faults(github):
        github.clear()
        arrival = await _from_github(visit)
        secrets += arrival.values()
        github.script(**fault)
        await visit.ask("POST", "/api/auth/callback", code, json=arrival)
    github.clear()
    secrets += (arrival := await _from_github(visit)).values()
    visit.tokens.append((await visit.obtain("POST", "/api/auth/callback", json=arrival))["access_token"])
    await visit.ask("POST", "/api/auth/callback", "authentication_failed", json=arrival)
    secrets += await _signed_in_by_a_browser(visit)
    visit.tokens.append((await visit.obtain("POST", "/api/auth/refresh", token=visit.tokens[-1]))["access_token"])
    await _programs_come(visit, session := visit.tokens[-1])
    await visit.ask("POST", "/api/auth/logout", token=session)
    await visit.ask("GET", "/api/auth/me", "authentication_failed", token=session)
    return secrets + github.tokens


async def _programs_come(visit: Visit, session: str) -> None:
    """With tokens: one is used, does what it may not, is mistyped and revoked, and one stays."""
    wish = {"name": "a frame", "scopes": ["read"]}
    made = [await visit.obtain("POST", "/api/auth/tokens", token=session, json=wish) for _ in range(2)]
    token, staying = (each["token"] for each in made)
    visit.tokens += [token, staying]
    await visit.ask("GET", "/api/auth/tokens", token=session)
    for each in (token, staying):
        await visit.ask("GET", "/api/history", token=each, headers=visit.own_key)
    await visit.ask("POST", "/api/generate", "authorization_failed", token=token, json={"prompt": PROMPT})
    await visit.ask("POST", "/api/auth/refresh", "authorization_failed", token=token)
    await visit.ask("GET", "/api/history", "authentication_failed", token=f"{token}x")
    await visit.obtain("GET", f"/{token}", code="not_found")  # told where nothing is
    await visit.ask("DELETE", f"/api/auth/tokens/{made[0]['id']}", token=session)
    await visit.ask("GET", "/api/history", "authentication_failed", token=token)


def _faults(github: GitHubDouble) -> list[tuple[dict[str, str], str]]:
    """What GitHub does, and what the lab says then."""
    return [
        ({"token": "bad_verification_code"}, "authentication_failed"),
        ({"token": "incorrect_client_credentials"}, "service_unavailable"),
        ({"token": f"say 500 {github.client_secret}"}, "service_unavailable"),
        ({"user": "garbage"}, "service_unavailable"),
        ({"user": "disconnect"}, "service_unavailable"),
    ]


async def _from_github(visit: Visit) -> dict[str, str]:
    page = await visit.obtain("GET", "/api/auth/login", params={"redirect_uri": APP})
    back = (await visit.client.get(page["url"])).headers["location"]
    return dict(parse_qsl(urlsplit(back).query))


async def _signed_in_by_a_browser(visit: Visit) -> list[str]:
    arrival = await _from_github(visit)
    sent_on = await visit.client.get("/api/auth/callback", params=arrival | {"redirect_to": APP})
    visit.given.append(sent_on)
    visit.tokens.append(sent_on.headers["location"].partition("#token=")[2])
    await visit.ask("GET", "/api/auth/callback", "authentication_failed", params=arrival | {"redirect_to": APP})
    return list(arrival.values())


async def records_are_spoilt(visit: Visit, stores: Stores) -> None:
    """By somebody else; what the lab finds then is a bug, as far as it can tell."""
    token = await visit.guest()
    prompt = (await visit.ask("POST", "/api/prompts", token=token, json={"text": PROMPT})).json()["prompt"]["id"]
    stores.spoil(next(name for name in stores.index() if name.endswith(f"/own/{prompt}")))
    await visit.ask("GET", "/api/prompts", "internal_error", token=token, headers=visit.own_key)


async def _held(gemini: GeminiDouble, count: int) -> None:
    """Until Google is making so many pictures that it does not finish."""
    await gemini.until(lambda seen: sum("[[hold it]]" in (each.prompt or "") for each in seen) >= count)
