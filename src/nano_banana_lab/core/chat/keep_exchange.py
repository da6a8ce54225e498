"""Write down what was said, so that the model can be shown it again part by part."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.conversation import (
    Conversation,
    Exchange,
    ExchangeParts,
    KeptPart,
    PartReference,
    SessionNotFound,
    encode_parts,
)
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest, PicturePart
from nano_banana_lab.core.generation.input_pictures import InputPicture, SentPicture
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.history.picture import Picture
from nano_banana_lab.core.shared.clock import from_milliseconds, milliseconds
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import BlobStore, StoreUnavailable

PARTS_TYPE = "application/vnd.msgpack"


@dataclass(frozen=True, kw_only=True)
class KeepExchange:
    """One message of one chat, ready to be noted once its picture has come.

    `conversation` is what the chat was when the message began, `kept_as` the bytes it was kept as then.
    `given` are the pictures that came with it, `parts_key` is where its parts shall be.
    """

    sessions: ChatSessions
    blobs: BlobStore
    conversation: Conversation
    kept_as: bytes
    message: str
    given: tuple[InputPicture, ...]
    sent_at: datetime
    route: str
    parts_key: str

    async def __call__(self, made: NewPicture) -> Sequence[Operation]:
        """Store the parts, and say how the chat goes on; refused when it is no longer what it was.

        Raises `StoreUnavailable`.
        """
        exchange = self._exchange(made)
        user, model = self._user_parts(made.request), _model_parts(made.answer, made.picture)
        parts = encode_parts(ExchangeParts(user=user, model=model))
        await insist(lambda: self.blobs.put(exchange.parts_key, parts, content_type=PARTS_TYPE))
        return self.sessions.keeping(self.conversation.continued(exchange), replacing=self.kept_as)

    async def after_all(self, made: NewPicture) -> Conversation:
        """Add the exchange to what the chat has become since, whose parts are stored; says what it is then.

        Another message was answered meanwhile because this one's process was too slow to say that it is alive.
        Raises `StoreUnavailable`, and `SessionNotFound` when the chat is gone; then the parts are removed.
        """
        exchange, session = self._exchange(made), self.conversation.session
        while True:
            try:
                present, kept_as = await self.sessions.one(session.owner, session.id)
            except SessionNotFound:
                with contextlib.suppress(StoreUnavailable):
                    await self.blobs.delete(exchange.parts_key)
                raise
            if any(each.picture_id == exchange.picture_id for each in present.exchanges):
                return present  # by an earlier try whose answer was lost
            with contextlib.suppress(CommitRefused):
                return await self._added_to(present, kept_as, exchange)

    async def _added_to(self, present: Conversation, kept_as: bytes, exchange: Exchange) -> Conversation:
        continued = present.continued(exchange)
        operations = self.sessions.keeping(continued, replacing=kept_as)
        await insist(lambda: self.sessions.key_values.commit(*operations))
        return continued

    def _exchange(self, made: NewPicture) -> Exchange:
        picture, answer = made.picture, made.answer
        return Exchange(
            message=self.message,
            sent_at=self.sent_at,
            answered_at=from_milliseconds(milliseconds(self.sessions.clock.now())),
            picture_id=picture.id,
            picture_key=picture.key,
            text=answer.text,
            thinking=answer.thinking,
            route=self.route,
            afresh=bool(self.conversation.exchanges) and len(made.request.turns) == 1,
            parts_key=self.parts_key,
        )

    def _user_parts(self, asked: ImageRequest) -> tuple[KeptPart, ...]:
        """What the user's turn showed, and the message; what it told of earlier exchanges is told anew each time.

        A picture that the owner has in the lab is not kept a second time, and one that was sent as it came: turned once more
        whenever it is shown, because a turned copy can be several times as large.
        """
        *before, message = asked.turns[-1].parts
        as_sent = iter([each for each in self.given if isinstance(each, SentPicture)])
        pictures = [part for part in before if isinstance(part, PicturePart)]
        return (*(_referred(part) or _kept(part, next(as_sent)) for part in pictures), message)


def _referred(part: PicturePart) -> PartReference | None:
    return PartReference(key=part.key, mime_type=part.mime_type) if part.key else None


def _kept(part: PicturePart, sent: SentPicture) -> PicturePart:
    return PicturePart(data=sent.data, mime_type=part.mime_type)


def _model_parts(answer: GeneratedImage, picture: Picture) -> tuple[KeptPart, ...]:
    """As the model made them; the bytes of the picture itself are in the history."""
    return tuple(
        PartReference(key=picture.key, mime_type=part.mime_type, signature=part.signature)
        if isinstance(part, PicturePart) and part.data == answer.data
        else part
        for part in answer.parts
    )
