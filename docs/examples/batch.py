"""A batch of pictures, followed as it happens, and all of them in one file."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}
PROMPTS = [f"a lighthouse {where}" for where in ("in fog", "at noon", "in a storm", "under the Milky Way")]


def events(lab: httpx.Client, task: str) -> Iterator[tuple[str, Any]]:
    """Name and data of every event until the task is done; goes on where a broken connection ended."""
    last_id, pause = "", 0.0
    while True:
        time.sleep(pause)
        pause = 1.0
        try:
            with lab.stream("GET", f"/api/generate/task/{task}/events", headers={"Last-Event-ID": last_id}) as stream:
                if stream.status_code in (429, 503):
                    pause = float(stream.headers.get("Retry-After", 5))
                    continue
                for line in stream.raise_for_status().iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "id":
                        last_id = value
                    elif field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
                        if name == "done":
                            return
        except httpx.TransportError:
            continue


with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=60) as lab:
    submitted = lab.post("/api/generate/batch", json={"prompts": PROMPTS}).raise_for_status().json()
    for name, data in events(lab, submitted["task_id"]):
        if name == "progress":
            print(f"{data['progress']}/{data['total']} {data['current_prompt'] or ''}")
        elif name == "done":
            print(data["status"], *data["errors"], sep="\n")
    archive = f"/api/generate/task/{submitted['task_id']}/images.zip"
    with lab.stream("GET", archive) as content, Path("lighthouses.zip").open("wb") as file:
        file.writelines(content.raise_for_status().iter_bytes())
    print("lighthouses.zip")
