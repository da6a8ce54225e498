"""A picture that rests on what the web says today, with the pages the model leaned on."""

import os
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}

with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=700) as lab:
    made = lab.post(
        "/api/generate/search",
        json={
            "prompt": "the weather in Lisbon this week as a hand-drawn chart",
            "search_context": "weather forecast Lisbon, next seven days",
        },
    )
    made = made.raise_for_status().json()
    Path(made["image"]["filename"]).write_bytes(lab.get(made["image"]["url"]).raise_for_status().content)
    print(made["image"]["filename"])
    for source in (made["grounding"] or {}).get("sources", []):
        print(f"- {source['title']}: {source['uri']}")
    # Whoever shows the picture must show Google's search suggestions with it, unaltered: HTML for a sandboxed frame.
    if made["search_sources"]:
        Path("search-suggestions.html").write_text(made["search_sources"], encoding="utf-8")
