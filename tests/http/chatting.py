"""Somebody who chats with a lab in this process."""

from typing import Any, Self

from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import PicturePart, TextPart
from nano_banana_lab.testing.scripted_image_model import SCRIPTED_CARD, striped_png, usage_of

BOB = {"Authorization": "Bearer bob"}
OWN_KEY = {"X-API-Key": "callers-own-key"}


class Chat:
    """One chat, and what one can do in it. A second passes before every message."""

    def __init__(self, service: Any, id: str) -> None:
        self.service, self.client, self.id = service, service.client, id
        self.path = f"/api/chat/{id}"

    @classmethod
    async def begun(cls, service: Any, headers: dict[str, str] | None = None, **body: Any) -> Self:
        response = await service.client.post("/api/chat", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return cls(service, response.json()["session_id"])

    async def say(self, message: str = "a corgi", headers: dict[str, str] | None = None, **body: Any) -> Any:
        self.service.clock.advance(1)
        return await self.client.post(f"{self.path}/message", json={"message": message, **body}, headers=headers)

    async def reply(self, message: str = "a corgi", headers: dict[str, str] | None = None, **body: Any) -> Any:
        response = await self.say(message, headers, **body)
        assert response.status_code == 200, response.text
        return response.json()

    async def detail(self) -> Any:
        return (await self.client.get(self.path)).json()

    async def export(self, **query: str) -> Any:
        return await self.client.get(f"{self.path}/export", params=query)

    async def every_route(self, headers: dict[str, str] | None = None) -> list[Any]:
        """What each route with the chat's id answers; the message brings something that is no base64."""
        ask, message = self.client.request, {"message": "x", "images": [{"data": "%"}]}
        return [
            await ask("GET", self.path, headers=headers),
            await ask("POST", f"{self.path}/message", json=message, headers=headers),
            await ask("GET", f"{self.path}/export", headers=headers),
            await ask("DELETE", self.path, headers=headers),
        ]


def spoken(text: str | None, *, thinking: str | None = None) -> GeneratedImage:
    """A picture with words."""
    data = striped_png(1376, 768, note=text or "")
    words = (TextPart(text=text),) if text else ()
    return GeneratedImage(
        data=data,
        mime_type="image/png",
        model="scripted",
        model_version="scripted",
        text=text,
        thinking=thinking,
        usage=usage_of(SCRIPTED_CARD, next(iter(SCRIPTED_CARD.image_tokens))),
        parts=(*words, PicturePart(data=data, mime_type="image/png")),
    )
