"""Tasks as a client has them."""

import json
from typing import Any

import httpx

BATCH = "/api/generate/batch"
TASKS = "/api/generate/task"
NO_WORKER = {"WORKER_IN_PROCESS": "false", "REDIS_URL": "redis://nobody.invalid"}
"""Somebody else would work on the tasks; the stores are doubles, so nobody asks at this address."""
BOB = {"Authorization": "Bearer bob"}


async def submitted(client: httpx.AsyncClient, *prompts: str, **body: Any) -> str:
    """The id of a new batch."""
    response = await client.post(BATCH, json={"prompts": prompts or ("a", "b"), **body})
    assert response.status_code == 200, response.text
    return response.json()["task_id"]


async def events(client: httpx.AsyncClient, task: str, **headers: str) -> list[tuple[str, str, Any]]:
    """Id, name and data of all events of a task until its end."""
    response = await client.get(f"{TASKS}/{task}/events", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return parsed(response.text)


def parsed(stream: str) -> list[tuple[str, str, Any]]:
    """What an event stream says, comments left out."""
    found = []
    for block in filter(None, stream.replace("\r\n", "\n").split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


async def finished(client: httpx.AsyncClient, task: str) -> dict[str, Any]:
    """The task once all of it has ended."""
    return (await events(client, task))[-1][2]


async def task(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    return (await client.get(f"{TASKS}/{task_id}")).raise_for_status().json()
