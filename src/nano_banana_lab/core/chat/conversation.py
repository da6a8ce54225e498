"""A chat: what was said so far, and the pictures that came of it."""

from datetime import datetime

import msgspec

from nano_banana_lab.core.generation.image_request import Part
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId

MAX_TITLE_CHARACTERS = 80


class SessionNotFound(LabError):
    """The owner has no chat with this id, or it has expired."""

    code = "session_not_found"
    sentence = "There is no such chat, or it has expired."


class SessionBusy(LabError):
    """Another message of this chat is being answered. `retry_after` is in seconds."""

    code = "session_busy"
    sentence = "This chat is still answering another message; please wait for it."
    retry_after = 5


class PartReference(msgspec.Struct, frozen=True, kw_only=True, tag="stored"):
    """A picture part whose bytes are a kept picture's; `signature` is the model's mark on it."""

    key: str
    mime_type: str
    signature: bytes | None = None


KeptPart = Part | PartReference
"""What a kept exchange is made of: bytes of its own, or those of a picture in the history."""


class ExchangeParts(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent and what came back, part by part in order, as the model must see it again.

    The parts of the model are exactly those it made, thoughts left out (GEMINI.md section 3).
    """

    user: tuple[KeptPart, ...]
    model: tuple[KeptPart, ...]
    schema: int = 1


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One message and its answer. `parts_key` is the blob with its `ExchangeParts`.

    `route` tells with which model and key the answer was made: elsewhere its signatures do not hold.
    `afresh` when nothing was replayed for it, so that whatever kept the earlier exchanges from it keeps them from the next.
    """

    message: str
    sent_at: datetime
    answered_at: datetime
    picture_id: str
    picture_key: str
    text: str | None
    thinking: str | None
    route: str
    parts_key: str
    afresh: bool = False


class ChatSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a chat. `message_count` counts both sides; `title` is the first message, cut short."""

    id: str
    owner: OwnerId
    aspect_ratio: str
    created_at: datetime
    last_activity: datetime
    message_count: int = 0
    title: str = ""
    schema: int = 1


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A chat from its first message on."""

    session: ChatSession
    exchanges: tuple[Exchange, ...] = ()
    schema: int = 1

    def continued(self, exchange: Exchange) -> "Conversation":
        """The conversation with one more exchange."""
        session = msgspec.structs.replace(
            self.session,
            last_activity=exchange.answered_at,
            message_count=self.session.message_count + 2,
            title=self.session.title or exchange.message[:MAX_TITLE_CHARACTERS],
        )
        return Conversation(session=session, exchanges=(*self.exchanges, exchange))


_conversations = msgspec.json.Decoder(Conversation)
_parts = msgspec.msgpack.Decoder(ExchangeParts)


def encode_conversation(conversation: Conversation) -> bytes:
    """As JSON, for the key-value store."""
    return msgspec.json.encode(conversation)


def decode_conversation(value: bytes) -> Conversation:
    """The inverse. Raises `msgspec.DecodeError` for anything else."""
    return _conversations.decode(value)


def encode_parts(parts: ExchangeParts) -> bytes:
    """As MessagePack, which keeps bytes as they are, for the blob store."""
    return msgspec.msgpack.encode(parts)


def decode_parts(blob: bytes) -> ExchangeParts:
    """The inverse. Raises `msgspec.DecodeError` for anything else."""
    try:
        return _parts.decode(blob)
    except UnicodeDecodeError as error:  # msgspec lets this one through
        raise msgspec.DecodeError(str(error)) from error
