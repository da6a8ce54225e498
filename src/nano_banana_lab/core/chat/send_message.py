"""One more message of a chat, and its picture."""

import hashlib
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.compose_request import compose
from nano_banana_lab.core.chat.conversation import SessionBusy
from nano_banana_lab.core.chat.keep_exchange import KeepExchange
from nano_banana_lab.core.chat.keys import busy_key, new_parts_key
from nano_banana_lab.core.chat.recall import Recall
from nano_banana_lab.core.generation.image_request import (
    ImageRequest,
    ImageSettings,
    Part,
    Resolution,
    SafetyLevel,
    TextPart,
)
from nano_banana_lab.core.generation.input_pictures import InputPicture, LoadPictures, check_count
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture, Order, Question
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.clock import from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.lease import Lease
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says. `aspect_ratio` None is the chat's own."""

    text: str
    pictures: tuple[InputPicture, ...] = ()
    aspect_ratio: str | None = None
    resolution: Resolution = Resolution.ONE_K
    safety_level: SafetyLevel = SafetyLevel.MODERATE
    include_thinking: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a message; `message_count` is the chat's from then on."""

    made: NewPicture
    message_count: int


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    """The model sees the whole conversation, and the exchange is kept in the commit that keeps its picture.

    One message of a chat is answered at a time, in whatever process. One that fails leaves the chat exactly as it was.
    """

    sessions: ChatSessions
    recall: Recall
    load_pictures: LoadPictures
    make_picture: MakePicture
    models: ImageModels
    key_values: KeyValueStore
    blobs: BlobStore
    paid_calls: PaidCalls

    async def __call__(self, caller: Caller, session_id: str, message: Message) -> Reply:
        """Answer the message, also when the caller has gone.

        Raises `ValidationFailed`, `SessionNotFound` (also when the chat was deleted meanwhile; its picture is then in the
        history), `SessionBusy`, and what `LoadPictures` and `MakePicture` raise.
        """
        message = msgspec.structs.replace(message, text=checked_prompt(message.text, field="message"))
        card = self.models.paid_by(caller.api_key).card
        check_count(message.pictures, field="images", least=0, most=card.max_input_images)
        await self.sessions.one(caller.owner, session_id)
        return await self.paid_calls.run(self._alone(caller, session_id, message))

    async def _alone(self, caller: Caller, session_id: str, message: Message) -> Reply:
        lease = Lease(key_values=self.key_values, key=busy_key(caller.owner, session_id), value=new_id().encode())
        try:
            await lease.take()
        except CommitRefused:
            raise SessionBusy from None
        try:
            async with lease.renewed():
                return await self._answer(caller, session_id, message)
        finally:
            await lease.free()

    async def _answer(self, caller: Caller, session_id: str, message: Message) -> Reply:
        conversation, kept_as = await self.sessions.one(caller.owner, session_id)
        exchange = KeepExchange(
            sessions=self.sessions,
            blobs=self.blobs,
            conversation=conversation,
            kept_as=kept_as,
            message=message.text,
            given=message.pictures,
            sent_at=from_milliseconds(milliseconds(self.sessions.clock.now())),
            route=self._route(caller.api_key),
            parts_key=new_parts_key(caller.owner, session_id),
        )
        async with self.sessions.kept_alive(conversation.session, kept_as):
            made = await self.make_picture(self._order(caller, exchange, message))
        if made.noted:
            return Reply(made=made, message_count=conversation.session.message_count + 2)
        present = await exchange.after_all(made)
        return Reply(made=made, message_count=present.session.message_count)

    def _order(self, caller: Caller, exchange: KeepExchange, message: Message) -> Order:
        session = exchange.conversation.session
        settings = ImageSettings(
            aspect_ratio=message.aspect_ratio or session.aspect_ratio,
            resolution=message.resolution,
            safety_level=message.safety_level,
        )
        return Order(
            caller=caller,
            mode=Mode.CHAT,
            prompt=message.text,
            settings=settings,
            question=lambda: self._question(caller, exchange, message, settings),
            session_id=session.id,
            note=exchange,
        )

    async def _question(
        self, caller: Caller, exchange: KeepExchange, message: Message, settings: ImageSettings
    ) -> Question:
        pictures = await self.load_pictures(caller.owner, message.pictures)
        said: tuple[Part, ...] = (*pictures, TextPart(text=message.text))
        most = self.models.paid_by(caller.api_key).card.max_input_images
        replays = await self.recall(exchange.conversation.exchanges, route=exchange.route, most_pictures=most)
        request = ImageRequest(
            turns=compose(replays, said, most_pictures=most),
            settings=settings,
            include_thinking=message.include_thinking,
            api_key=caller.api_key,
        )
        if len(request.turns) == 1:
            return Question(request=request)
        in_words = compose(replays, said, most_pictures=most, replaying=False)
        return Question(request=request, fallback=msgspec.structs.replace(request, turns=in_words))

    def _route(self, key: ApiKey | None) -> str:
        """By whom an answer is made: its signatures hold nowhere else (GEMINI.md section 3)."""
        payer = hashlib.sha256(key.reveal().encode()).hexdigest()[:16] if key else "lab"
        return f"{self.models.paid_by(key).card.id} {payer}"
