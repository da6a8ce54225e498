"""A picture from a prompt, saved byte for byte as the model made it."""

import os
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}

# A real model takes 20 to 150 seconds. The picture is kept even when the connection breaks meanwhile.
with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=700) as lab:
    answer = lab.post(
        "/api/generate",
        json={"prompt": "a corgi in a teacup", "settings": {"aspect_ratio": "1:1", "resolution": "1K"}},
    )
    if answer.is_error:
        raise SystemExit(answer.json()["detail"])
    image = answer.json()["image"]
    Path(image["filename"]).write_bytes(lab.get(image["url"]).raise_for_status().content)
    print(f"{image['filename']}: {image['width']}x{image['height']}, {image['mime_type']}")
