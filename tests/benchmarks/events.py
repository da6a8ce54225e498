"""Server-sent events, read as they come."""

import httpx


async def until_done(url: str, task_id: str) -> int:
    """Follow a task to its end; says how many events that were."""
    seen = 0
    async with (
        httpx.AsyncClient(base_url=url, timeout=600, verify=False) as client,
        client.stream("GET", f"/api/generate/task/{task_id}/events") as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            seen += line.startswith("event:")
            if line.removeprefix("event:").strip() == "done":
                return seen
    raise RuntimeError("the stream of events ended before the task did")
