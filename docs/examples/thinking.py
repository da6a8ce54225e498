"""What the model thought on its way to the picture, and what that cost."""

import os
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}

with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=700) as lab:
    made = lab.post(
        "/api/generate",
        json={"prompt": "an exploded view of a mechanical watch, labelled by hand", "include_thinking": True},
    )
    made = made.raise_for_status().json()
    Path(made["image"]["filename"]).write_bytes(lab.get(made["image"]["url"]).raise_for_status().content)
    print(made["thinking"] or "The model kept its thoughts to itself.")
    usage = made["usage"]
    print(f"{made['image']['filename']}: {usage['thinking_tokens']} of {usage['total_tokens']} tokens were thoughts,")
    print(f"{usage['cost_usd']:.4f} USD in all, by {made['model']}")
