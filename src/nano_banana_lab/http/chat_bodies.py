"""Chats as clients write and see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urljoin

import msgspec

from nano_banana_lab.core.chat.conversation import ChatSession, Conversation, Exchange
from nano_banana_lab.core.chat.export_chat import as_markdown
from nano_banana_lab.core.chat.send_message import Reply
from nano_banana_lab.core.generation.image_request import Resolution, SafetyLevel
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.history.picture import Picture
from nano_banana_lab.http.generated import ImageBody, UsageBody
from nano_banana_lab.http.picture_inputs import PictureEntry
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.prompt_text import prompt_text
from nano_banana_lab.http.timestamps import Timestamp, rfc3339


class ExportFormat(StrEnum):
    """`json` for programs, `markdown` for people."""

    JSON = "json"
    MARKDOWN = "markdown"


class BeginBody(msgspec.Struct, frozen=True, kw_only=True):
    """How the pictures of a chat shall look."""

    aspect_ratio: Annotated[
        str, msgspec.Meta(description="Of every picture whose message asks for no other.", examples=["16:9"])
    ] = "16:9"


class MessageBody(msgspec.Struct, kw_only=True):
    """What to say in a chat. `images` are up to 14 pictures to talk about; they come before the words."""

    message: Annotated[
        str,
        prompt_text("What to say.", "the same, but on a beach"),
    ]
    images: list[PictureEntry] | None = None
    aspect_ratio: Annotated[str | None, msgspec.Meta(description="For this picture; without it the chat's own.")] = None
    resolution: Resolution = Resolution.ONE_K
    safety_level: SafetyLevel = SafetyLevel.MODERATE
    include_thinking: Annotated[
        bool, msgspec.Meta(description="Ask the model for its thoughts; they cost the same either way.")
    ] = False


class BegunBody(msgspec.Struct, kw_only=True):
    """A new chat."""

    session_id: str
    aspect_ratio: str
    created_at: Timestamp

    @classmethod
    def of(cls, session: ChatSession) -> Self:
        """The chat as clients see it."""
        return cls(session_id=session.id, aspect_ratio=session.aspect_ratio, created_at=rfc3339(session.created_at))


class SessionBody(BegunBody, kw_only=True):
    """A chat in a list. `message_count` counts both sides; `title` is the first message, cut short."""

    message_count: int
    last_activity: Timestamp
    title: str

    @classmethod
    def of(cls, session: ChatSession) -> Self:
        """The chat as clients see it."""
        return cls(
            **msgspec.structs.asdict(BegunBody.of(session)),
            message_count=session.message_count,
            last_activity=rfc3339(session.last_activity),
            title=session.title,
        )


class SessionList(msgspec.Struct, kw_only=True):
    """Some chats, the latest activity first; `total` is how many there are."""

    sessions: list[SessionBody]
    total: int


class ReplyBody(msgspec.Struct, kw_only=True):
    """The answer to a message. `text` is what the model said besides, `duration` in seconds."""

    text: str | None
    image: ImageBody
    thinking: str | None
    duration: float
    message_count: int
    usage: UsageBody
    model: str

    @classmethod
    def of(cls, reply: Reply, urls: PictureUrls) -> Self:
        """The outcome as clients see it."""
        picture = reply.made.picture
        return cls(
            text=picture.text_response,
            image=ImageBody.of(picture, urls),
            thinking=picture.thinking,
            duration=picture.duration,
            message_count=reply.message_count,
            usage=UsageBody.of(reply.made),
            model=picture.model,
        )


class SaidBody(msgspec.Struct, kw_only=True):
    """One message. `image` is the picture made for it; null on the user's side, and once it was deleted."""

    role: Literal["user", "assistant"]
    content: str
    timestamp: Timestamp
    image: ImageBody | None = None
    thinking: str | None = None


class ConversationBody(msgspec.Struct, kw_only=True):
    """A chat with all that was said, the oldest first."""

    session_id: str
    messages: list[SaidBody]
    aspect_ratio: str


class ExportBody(ConversationBody, kw_only=True):
    """A chat to keep."""

    created_at: Timestamp
    title: str


class ForgottenBody(msgspec.Struct, kw_only=True):
    """A chat that is gone."""

    success: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class ChatView:
    """Turns chats into what clients see, with those of their pictures that are still there."""

    find: FindPictures
    urls: PictureUrls

    async def conversation(self, conversation: Conversation) -> ConversationBody:
        """The chat as it is read."""
        session, pictures = conversation.session, await self._pictures(conversation)
        return ConversationBody(
            session_id=session.id,
            messages=self._messages(conversation, pictures),
            aspect_ratio=session.aspect_ratio,
        )

    async def export(self, conversation: Conversation) -> ExportBody:
        """The chat as it is kept by programs."""
        session = conversation.session
        return ExportBody(
            **msgspec.structs.asdict(await self.conversation(conversation)),
            created_at=rfc3339(session.created_at),
            title=session.title,
        )

    async def markdown(self, conversation: Conversation, *, base_url: str) -> str:
        """The chat as it is kept by people, who open it far from here: its links are whole, from `base_url` on."""
        pictures = await self._pictures(conversation)
        links = {each: urljoin(base_url, self.urls.of(picture)) for each, picture in pictures.items()}
        return as_markdown(conversation, links)

    async def _pictures(self, conversation: Conversation) -> Mapping[str, Picture]:
        ids = [exchange.picture_id for exchange in conversation.exchanges]
        return await self.find.many(conversation.session.owner, ids)

    def _messages(self, conversation: Conversation, pictures: Mapping[str, Picture]) -> list[SaidBody]:
        return [
            said
            for exchange in conversation.exchanges
            for said in (
                SaidBody(role="user", content=exchange.message, timestamp=rfc3339(exchange.sent_at)),
                self._answer(exchange, pictures.get(exchange.picture_id)),
            )
        ]

    def _answer(self, exchange: Exchange, picture: Picture | None) -> SaidBody:
        return SaidBody(
            role="assistant",
            content=exchange.text or "",
            timestamp=rfc3339(exchange.answered_at),
            image=ImageBody.of(picture, self.urls) if picture else None,
            thinking=exchange.thinking,
        )
