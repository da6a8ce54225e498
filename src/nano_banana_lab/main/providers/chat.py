"""Making pictures in a conversation."""

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.recall import Recall
from nano_banana_lab.core.chat.send_message import SendMessage
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore
from nano_banana_lab.main.settings import Settings


class Chat(Provider):
    """Messages, each with the conversation before it."""

    scope = Scope.APP

    @provide
    def chat_sessions(
        self, settings: Settings, key_values: KeyValueStore, blobs: BlobStore, clock: Clock
    ) -> ChatSessions:
        return ChatSessions(
            key_values=key_values, blobs=blobs, clock=clock, ttl_seconds=settings.chat_session_ttl_seconds
        )

    use_cases = provide_all(Recall, SendMessage)
