"""Tasks as clients of a running lab have them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

BATCH = "/api/generate/batch"
TASKS = "/api/generate/task"

HELD = "a picture that takes its time [[hold it]]"
"""Google begins it and does not finish it before `it` is released."""

Told = tuple[str, str, Any]
"""Id, name and data of an event."""


async def submitted(client: httpx.AsyncClient, *prompts: str, key: str | None = None) -> str:
    """The id of a new batch."""
    headers = {"X-API-Key": key} if key else {}
    answer = await client.post(BATCH, json={"prompts": prompts}, headers=headers)
    task_id: str = answer.raise_for_status().json()["task_id"]
    return task_id


async def task(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{TASKS}/{task_id}")).raise_for_status().json()
    return found


async def statuses(client: httpx.AsyncClient, task_id: str) -> list[str]:
    return [item["status"] for item in (await task(client, task_id))["items"]]


async def events(client: httpx.AsyncClient, task_id: str, *, after: str | None = None) -> AsyncGenerator[Told, None]:
    """The events of a task as they come."""
    headers = {"Last-Event-ID": after} if after else {}
    async with client.stream("GET", f"{TASKS}/{task_id}/events", headers=headers, timeout=120) as answer:
        answer.raise_for_status()
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}


async def story(client: httpx.AsyncClient, task_id: str) -> list[Told]:
    """All events of a task, once it is done."""
    return [told async for told in events(client, task_id)]


async def finished(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """The task at its end."""
    done: dict[str, Any] = (await story(client, task_id))[-1][2]
    return done


async def until(client: httpx.AsyncClient, task_id: str, *wanted: str) -> None:
    """Return once the items are in these states, in any order."""
    async with asyncio.timeout(90):
        while sorted(await statuses(client, task_id)) != sorted(wanted):  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.1)
