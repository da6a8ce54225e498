"""A 4K picture takes minutes, so nobody waits at the end of a line: it is made in the background."""

import os
import time
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}

with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=60) as lab:
    accepted = lab.post(
        "/api/generate",
        json={"prompt": "the Milky Way over a salt flat", "settings": {"aspect_ratio": "21:9", "resolution": "4K"}},
        # With the same Idempotency-Key the request can be repeated without paying again.
        headers={"Prefer": "respond-async", "Idempotency-Key": os.urandom(16).hex()},
    )
    task = accepted.raise_for_status().headers["Location"]
    while (state := lab.get(task).raise_for_status().json())["status"] in ("queued", "processing"):
        time.sleep(1)
    if state["errors"]:
        raise SystemExit(state["errors"][0])
    [image] = state["results"]
    with lab.stream("GET", image["url"]) as content, Path(image["filename"]).open("wb") as file:
        file.writelines(content.raise_for_status().iter_bytes())
    print(f"{image['filename']}: {image['width']}x{image['height']}, {image['size_bytes']} bytes")
