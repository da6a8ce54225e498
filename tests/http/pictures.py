"""Pictures as clients send them."""

import base64
from typing import Any

import msgspec

from nano_banana_lab.core.generation.image_request import PicturePart
from nano_banana_lab.testing.scripted_image_model import striped_png

ALICE, BOB = {"Authorization": "Bearer alice"}, {"Authorization": "Bearer bob"}
TRIAL = {"TRIAL_ENABLED": "true", "TRIAL_COOLDOWN_SECONDS": "60"}


def png(note: str = "a picture") -> bytes:
    """A small picture; another note, another picture."""
    return striped_png(8, 8, note=note)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def entry(note: str) -> dict[str, str]:
    return {"data": encoded(png(note))}


def form(*files: tuple[str, bytes], request: Any = None) -> dict[str, Any]:
    """What httpx needs to send these files, and these data in the part `request`."""
    parts: list[Any] = [(name, ("a.png", data, "image/png")) for name, data in files]
    if request is not None:
        parts.append(("request", (None, request if isinstance(request, bytes) else msgspec.json.encode(request))))
    return {"files": parts}


async def uploaded(service: Any, note: str = "uploaded", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The answer to an upload of a small picture, a second after what came before."""
    service.clock.advance(1)
    headers = {"Content-Type": "image/png"} | (headers or {})
    response = await service.client.post("/api/images", content=png(note), headers=headers)
    assert response.status_code == 201, response.text
    return response.json()


def seen(service: Any) -> list[bytes]:
    """The pictures that the model was given last, in order."""
    [turn] = service.model.requests[-1].turns
    return [part.data for part in turn.parts if isinstance(part, PicturePart)]


async def state(service: Any) -> dict[str, Any]:
    """Everything that must not change when a request is refused."""
    return {
        "quota": (await service.client.get("/api/quota")).json(),
        "history": (await service.client.get("/api/history")).json()["items"],
        "files": [blob.key async for blob in service.blobs.list("")],
        "asked": len(service.model.requests),
    }
