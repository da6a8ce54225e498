"""Somebody who signs in to a lab in this process, with a GitHub in memory."""

from typing import Any

from nano_banana_lab.adapters.memory.identity_provider import MemoryIdentityProvider
from nano_banana_lab.testing.frozen_clock import FrozenClock

CALLBACK, APP = "https://lab.test/api/auth/callback", "https://app.test/signed-in"
AUTH = {"AUTH_ENABLED": "true"}
GITHUB = AUTH | {
    "GITHUB_CLIENT_ID": "client",
    "GITHUB_CLIENT_SECRET": "client-secret",
    "GITHUB_REDIRECT_URI": CALLBACK,
    "REDIRECT_ALLOWLIST": f"{APP},com.example.lab:/signed-in,https://pages.test",
}
OCTOCAT = {
    "id": "583231",
    "login": "octocat",
    "name": "The Octocat",
    "email": "octocat@example.org",
    "avatar_url": "https://example.org/octocat.png",
    "user_folder_id": "6fac44aa6f9ae93e",
}
WEEK = 7 * 86400


class Visitor:
    """Somebody with a browser in front of a lab."""

    def __init__(self, service: Any) -> None:
        self.service, self.client, self.clock = service, service.client, service.clock

    async def login(self, **query: str) -> dict[str, str]:
        return (await self.client.get("/api/auth/login", params=query)).json()

    async def arrival(self, **query: str) -> dict[str, str]:
        """What the browser brings back of a user who agreed."""
        page = await self.login(**query)
        return {"code": self.service.github.agree(page["url"]), "state": page["state"]}

    async def token(self) -> str:
        return (await self.client.post("/api/auth/callback", json=await self.arrival())).json()["access_token"]

    async def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return await self.client.request(method, f"/api/auth/{path}", headers=headers, **options)


def opening(open_service: Any, **options: Any) -> Any:
    clock = FrozenClock()
    github = MemoryIdentityProvider(clock=clock) if "GITHUB_CLIENT_ID" in options else None
    return open_service(identify=None, clock=clock, github=github, **options)
