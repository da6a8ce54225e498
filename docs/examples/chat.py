"""A conversation that refines one picture, in whatever language comes to mind."""

import os
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}
MESSAGES = [
    "a tea house in the mountains, ink and wash",
    "下一场小雪，点亮窗里的灯",
    "now as seen from the lake at dusk",
]

with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=700) as lab:
    chat = lab.post("/api/chat", json={"aspect_ratio": "4:3"}).raise_for_status().json()["session_id"]
    for number, message in enumerate(MESSAGES, start=1):
        # The model sees the whole conversation with its pictures, so "it" and "now" mean what they should.
        reply = lab.post(f"/api/chat/{chat}/message", json={"message": message}).raise_for_status().json()
        image = reply["image"]
        name = f"{number}-{image['filename']}"
        Path(name).write_bytes(lab.get(image["url"]).raise_for_status().content)
        print(f"> {message}\n{reply['text'] or ''}\n  {name}")
    export = lab.get(f"/api/chat/{chat}/export", params={"format": "markdown"}).raise_for_status()
    Path("chat.md").write_text(export.text, encoding="utf-8")
