"""Upload pictures, blend them into one, and draw the outcome in another style."""

import json
import os
import sys
from pathlib import Path

import httpx

HEADERS = {"Authorization": f"Bearer {os.environ['LAB_TOKEN']}"} if "LAB_TOKEN" in os.environ else {}


def save(lab: httpx.Client, image: dict[str, str], name: str) -> None:
    path = Path(f"{name}-{image['filename']}")
    path.write_bytes(lab.get(image["url"]).raise_for_status().content)
    print(path)


with httpx.Client(base_url=os.environ.get("LAB_URL", "http://localhost:8000"), headers=HEADERS, timeout=700) as lab:
    files = [Path(name) for name in sys.argv[1:3]]
    if len(files) < 2:  # no photos at hand: let the lab make two
        for prompt in ("a red fox", "a snowy birch forest"):
            image = lab.post("/api/generate", json={"prompt": prompt}).raise_for_status().json()["image"]
            files.append(Path(image["filename"]))
            files[-1].write_bytes(lab.get(image["url"]).raise_for_status().content)

    # Uploaded once, a picture can be used again and again by its key.
    uploaded = lab.post("/api/images", files={"image": files[-2].read_bytes()}).raise_for_status().json()
    blend = lab.post(
        "/api/generate/blend",
        data={
            "request": json.dumps({"image_keys": [uploaded["key"]], "blend_prompt": "put the first into the second"})
        },
        files=[("images", (files[-1].name, files[-1].read_bytes()))],
    )
    blended = blend.raise_for_status().json()["image"]
    save(lab, blended, "blended")
    style = lab.post(
        "/api/generate/style",
        json={"content_image_key": blended["key"], "style_prompt": "a linocut in three colours"},
    )
    save(lab, style.raise_for_status().json()["image"], "linocut")
