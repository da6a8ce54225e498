"""Chats on the stores and the model of a lab in memory."""

from dataclasses import dataclass
from typing import Any

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.conversation import Conversation
from nano_banana_lab.core.chat.keys import conversation_key, session_key, sessions_index
from nano_banana_lab.core.chat.recall import Recall
from nano_banana_lab.core.chat.send_message import Message, Reply, SendMessage
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import PicturePart, TextPart, Turn
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.scripted_image_model import striped_png

ALICE = OwnerId("alice")
A_DAY = 86400


@dataclass(kw_only=True)
class Chats:
    """The use cases of one process; another one on the same stores is another `Chats`."""

    lab: Any
    ttl_seconds: float = A_DAY

    def __post_init__(self) -> None:
        lab, make_picture = self.lab, self.lab.make_picture
        self.sessions = ChatSessions(
            key_values=lab.key_values, blobs=lab.blobs, clock=lab.clock, ttl_seconds=self.ttl_seconds
        )
        self.send = SendMessage(
            sessions=self.sessions,
            recall=Recall(blobs=lab.blobs, tools=lab.tools),
            load_pictures=lab.load_pictures,
            make_picture=make_picture,
            models=make_picture.models,
            key_values=lab.key_values,
            blobs=lab.blobs,
            paid_calls=lab.paid_calls,
        )

    async def begin(self, owner: OwnerId = ALICE, *, aspect_ratio: str = "1:1") -> str:
        """The id of a new chat."""
        return (await self.sessions.begin(owner, aspect_ratio=aspect_ratio)).id

    async def say(
        self, chat: str, text: str = "a cat", *, owner: OwnerId = ALICE, key: str | None = None, **message: Any
    ) -> Reply:
        caller = Caller(owner=owner, api_key=ApiKey(key) if key else None)
        return await self.send(caller, chat, Message(text=text, **message))

    async def read(self, chat: str, owner: OwnerId = ALICE) -> Conversation:
        return (await self.sessions.one(owner, chat))[0]

    async def messages(self, chat: str) -> list[str]:
        return [exchange.message for exchange in (await self.read(chat)).exchanges]

    async def listed(self, owner: OwnerId = ALICE) -> tuple[list[str], int]:
        sessions, total = await self.sessions.page(owner, limit=100)
        return [session.id for session in sessions], total

    async def parts_kept(self) -> list[str]:
        """The blobs of all chats, those of the history aside."""
        return [key for key in await self.lab.files() if key.startswith("chats/")]


async def bytes_kept(lab: Any, chat: str) -> tuple[Any, ...]:
    """All that the key-value store has of a chat of Alice's."""
    store = lab.key_values
    listed = await store.page(sessions_index(ALICE), limit=100)
    return await store.get(conversation_key(ALICE, chat)), await store.get(session_key(ALICE, chat)), listed


def png(note: str) -> bytes:
    return striped_png(8, 8, note=note)


def signed(name: str, *, drafts: int = 0, text: str | None = "Here it is.") -> GeneratedImage:
    """An answer as Gemini gives it: the first text and every picture with a signature of its own."""
    shown = [png(f"{name}, draft {number}") for number in range(drafts)] + [png(name)]
    pictures = [
        PicturePart(data=data, mime_type="image/png", signature=f"{name}/{number}".encode() + b"\x00\xff\xfe")
        for number, data in enumerate(shown)
    ]
    said = [TextPart(text=text, signature=f"{name}/text\x00".encode())] if text else []
    return GeneratedImage(
        data=shown[-1],
        mime_type="image/png",
        model="scripted",
        model_version="scripted",
        text=text,
        thinking=f"thinking of {name}",
        parts=(*said, *pictures),
    )


def texts(turn: Turn) -> list[str]:
    return [part.text for part in turn.parts if isinstance(part, TextPart)]


def pictures(turn: Turn) -> list[bytes]:
    return [part.data for part in turn.parts if isinstance(part, PicturePart)]
