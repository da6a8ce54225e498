"""Begin chats, find them again, and let them go."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.chat.conversation import (
    ChatSession,
    Conversation,
    SessionBusy,
    SessionNotFound,
    decode_conversation,
    encode_conversation,
)
from nano_banana_lab.core.chat.keys import (
    LEFTOVERS,
    PARTS,
    busy_key,
    conversation_key,
    session_key,
    sessions_index,
)
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, is_id, new_id
from nano_banana_lab.core.storage.leftovers import Leftovers
from nano_banana_lab.core.storage.operations import (
    CommitRefused,
    Delete,
    Expire,
    IndexPut,
    IndexRemove,
    Operation,
    Put,
)
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore, StoreUnavailable

ANSWER_SECONDS = 3600
"""More than any answer takes: so much longer a chat lives while it is answering."""


@dataclass(frozen=True, kw_only=True)
class ChatSessions:
    """Chats live until `ttl_seconds` after their last activity; their pictures stay in the history."""

    key_values: KeyValueStore
    blobs: BlobStore
    clock: Clock
    ttl_seconds: float

    @property
    def leftovers(self) -> Leftovers:
        """The parts of chats, which go when these are deleted or have expired, unless an answer is still storing some."""
        return Leftovers(
            key_values=self.key_values,
            blobs=self.blobs,
            clock=self.clock,
            index=LEFTOVERS,
            prefix=PARTS,
            signs_of_life=lambda owner, chat: [conversation_key(owner, chat), busy_key(owner, chat)],
        )

    async def begin(self, owner: OwnerId, *, aspect_ratio: str) -> ChatSession:
        """A chat without messages yet; `aspect_ratio` is used wherever a message asks for no other."""
        now = from_milliseconds(milliseconds(self.clock.now()))
        session = ChatSession(id=new_id(), owner=owner, aspect_ratio=aspect_ratio, created_at=now, last_activity=now)
        await self.key_values.commit(*self.keeping(Conversation(session=session), replacing=None))
        return session

    async def page(self, owner: OwnerId, *, limit: int, offset: int = 0) -> tuple[list[ChatSession], int]:
        """Some of the owner's chats, the latest activity first, and how many there are in all."""
        page = await self.key_values.page(sessions_index(owner), limit=limit, offset=offset)
        kept = await self.key_values.get_many([session_key(owner, entry.member) for entry in page.entries])
        sessions = [msgspec.json.decode(value, type=ChatSession) for value in kept if value is not None]
        return sessions, await self.key_values.count(sessions_index(owner))

    async def one(self, owner: OwnerId, id: str) -> tuple[Conversation, bytes]:
        """The conversation, and the bytes it is kept as. Raises `SessionNotFound`, also for another owner's chat."""
        kept = await self.key_values.get(conversation_key(owner, id)) if is_id(id) else None
        if kept is None:
            raise SessionNotFound
        return decode_conversation(kept), kept

    async def delete(self, owner: OwnerId, id: str) -> None:
        """Forget the chat at once, also while it is answering: that picture is then kept in the history only.

        Raises `SessionNotFound`.
        """
        if not is_id(id):
            raise SessionNotFound
        try:
            await self.key_values.commit(
                Delete(key=conversation_key(owner, id), if_present=True),
                Delete(key=session_key(owner, id)),
                IndexRemove(index=sessions_index(owner), member=id),
                self.leftovers.may_go_in(0, owner, id),
            )
        except CommitRefused:
            raise SessionNotFound from None

    @contextlib.asynccontextmanager
    async def kept_alive(self, session: ChatSession, kept_as: bytes) -> AsyncIterator[None]:
        """The chat does not expire meanwhile, and a body that fails counts as activity like one that does not.

        Raises `SessionNotFound` or `SessionBusy` when the chat is not as `kept_as` says any more.
        """
        try:
            await self._prolong(session, kept_as, self.ttl_seconds + ANSWER_SECONDS)
        except CommitRefused as refused:
            raise (SessionNotFound if refused.current is None else SessionBusy) from None
        try:
            yield
        except BaseException:
            with contextlib.suppress(CommitRefused, StoreUnavailable):
                await self._prolong(session, kept_as, self.ttl_seconds)
            raise

    def keeping(self, conversation: Conversation, *, replacing: bytes | None) -> list[Operation]:
        """Keep this state of a chat; refused at position 0 when the chat is not as `replacing` says any more."""
        session, ttl = conversation.session, self.ttl_seconds
        owner, active_at = session.owner, milliseconds(session.last_activity)
        conversation_put = Put(
            key=conversation_key(owner, session.id),
            value=encode_conversation(conversation),
            ttl=ttl,
            if_absent=replacing is None,
            if_equals=replacing,
        )
        return [
            conversation_put,
            Put(key=session_key(owner, session.id), value=msgspec.json.encode(session), ttl=ttl),
            IndexPut(index=sessions_index(owner), member=session.id, score=active_at, ttl=ttl),
            self.leftovers.may_go_in(ttl, owner, session.id),
        ]

    async def _prolong(self, session: ChatSession, kept_as: bytes, seconds: float) -> None:
        """Let the chat live for `seconds` from now. Raises `CommitRefused` when it is not as `kept_as` says any more."""
        owner, chat = session.owner, session.id
        await self.key_values.commit(
            Put(key=conversation_key(owner, chat), value=kept_as, ttl=seconds, if_equals=kept_as),
            Expire(key=session_key(owner, chat), ttl=seconds),
            IndexPut(index=sessions_index(owner), member=chat, score=milliseconds(session.last_activity), ttl=seconds),
            self.leftovers.may_go_in(seconds, owner, chat),
        )
