"""What clients of the lab do, and what the double answered them."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess

HISTORY_PAGE = 100


def visiting(lab: LabProcess, *, seconds: float = 60, token: str | None = None) -> httpx.AsyncClient:
    """A client of this lab; a request that takes longer than `seconds` fails the test."""
    client = _client(lab.url, seconds)
    if token is not None:
        client.headers["Authorization"] = f"Bearer {token}"
    return client


async def guest_token(lab: LabProcess) -> str:
    """The token of somebody new, where guests are let in."""
    async with visiting(lab) as visitor:
        answer = (await visitor.post("/api/auth/guest")).raise_for_status()
    token: str = answer.json()["access_token"]
    return token


async def quota(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/quota")).raise_for_status().json()
    return found


async def generate(
    client: httpx.AsyncClient, prompt: str, *, key: str | None = None, **settings: str
) -> httpx.Response:
    headers = {"X-API-Key": key} if key else {}
    return await client.post("/api/generate", json={"prompt": prompt, "settings": settings}, headers=headers)


async def history(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every line of it, newest first."""
    return [item async for item in _lines(client)]


async def _lines(client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        page = (await client.get("/api/history", params={"limit": HISTORY_PAGE, **cursor})).raise_for_status().json()
        for item in page["items"]:
            yield item
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None


async def statistics(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/history/stats")).raise_for_status().json()
    return found


async def picture_sent(gemini: GeminiDouble, prompt: str, *, resolution: str = "1K") -> bytes:
    """The bytes that the double answers to this prompt, asked of it without the lab and without its SDK."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "generationConfig": {"imageConfig": {"aspectRatio": "16:9", "imageSize": resolution}},
    }
    async with _client(gemini.url, 60) as google:
        answer = await google.post(
            "/v1beta/models/gemini-3-pro-image:generateContent",
            json=body,
            headers={"x-goog-api-key": "the-test-itself"},
        )
    parts = answer.raise_for_status().json()["candidates"][0]["content"]["parts"]
    return base64.b64decode([part["inlineData"]["data"] for part in parts if "inlineData" in part][-1])


def asked(gemini: GeminiDouble, prompt: str) -> int:
    """How often the double was asked for this picture."""
    return sum(request.prompt == prompt for request in gemini.requests)


def _client(url: str, seconds: float) -> httpx.AsyncClient:
    # Everything here is plain HTTP, and loading certificate authorities takes 50 ms each time.
    return httpx.AsyncClient(base_url=url, timeout=seconds, limits=httpx.Limits(max_connections=None), verify=False)
