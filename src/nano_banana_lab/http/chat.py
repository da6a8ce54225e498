"""Pictures that come of a conversation."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import FromPath, JSONBody, QueryParameter

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.chat.send_message import Message, SendMessage
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import check_count
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http import examples
from nano_banana_lab.http.chat_bodies import (
    BeginBody,
    BegunBody,
    ChatView,
    ConversationBody,
    ExportBody,
    ExportFormat,
    ForgottenBody,
    MessageBody,
    ReplyBody,
    SessionBody,
    SessionList,
)
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.generated import PICTURE_PROBLEMS
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Sentence, say
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_inputs import PictureEntry, pictures_of
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.scopes import NEEDS_GENERATE, NEEDS_MANAGE, NEEDS_READ

MARKDOWN = "text/markdown"  # the framework adds the charset
AS_USUAL = BeginBody()
FORGOTTEN = Sentence("Deleted the chat; its pictures stay in the history.")


@dataclass
class BeginOperation(Operation):
    """What the document says of the body: everything in it has a default."""

    def __post_init__(self) -> None:
        cast("RequestBody", self.request_body).required = False


@dataclass
class ExportOperation(Operation):
    """What the document says of the two formats."""

    def __post_init__(self) -> None:
        described = cast("OpenAPIResponse", (self.responses or {})["200"])
        name = Schema(type=OpenAPIType.STRING, examples=['attachment; filename="chat-<id>.md"'])
        described.headers = {"Content-Disposition": OpenAPIHeader(description="The file's name.", schema=name)}
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), example=examples.CHAT_MARKDOWN)
        described.content = {**(described.content or {}), "text/markdown": text}


class ChatController(Controller):
    """Conversations with the model."""

    path = "/api/chat"
    tags = ("Chat",)

    @post(
        status_code=200,
        operation_class=BeginOperation,
        opt=NEEDS_GENERATE,
        summary="Begin a chat",
        responses=answer(BegunBody, "The chat, still empty", examples.CHAT_BEGUN)
        | problems(
            "validation_error",
            "unsupported_media_type",
            "payload_too_large",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def begin(
        self,
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
        models: FromDishka[ImageModels],
        data: JSONBody[BeginBody] = AS_USUAL,
    ) -> BegunBody:
        """Costs nothing. Chats are forgotten a day after their last message, unless the operator chose another time."""
        with _plain_settings():
            models.paid_by(caller.api_key).card.check(ImageSettings(aspect_ratio=data.aspect_ratio))
        return BegunBody.of(await sessions.begin(caller.owner, aspect_ratio=data.aspect_ratio))

    @get(
        opt=NEEDS_READ,
        summary="List chats",
        responses=answer(SessionList, "A page of chats", examples.CHATS)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def list_chats(
        self,
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 100,
        offset: Annotated[int, QueryParameter(ge=0, le=1_000_000_000)] = 0,
    ) -> SessionList:
        """The latest activity first; a chat that nobody has written in yet counts from when it was begun."""
        found, total = await sessions.page(caller.owner, limit=limit, offset=offset)
        return SessionList(sessions=[SessionBody.of(session) for session in found], total=total)

    @post(
        "/{session_id:str}/message",
        status_code=200,
        middleware=[Idempotency()],
        operation_class=IdempotentOperation,
        opt=NEEDS_GENERATE,
        summary="Say something and get a picture",
        responses=answer(ReplyBody, "The picture, made and kept", examples.CHAT_REPLY)
        | problems(*PICTURE_PROBLEMS, "session_not_found", "session_busy", "idempotency_conflict"),
    )
    async def message(
        self,
        session_id: FromPath[str],
        data: JSONBody[MessageBody],
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
        send_message: FromDishka[SendMessage],
        urls: FromDishka[PictureUrls],
    ) -> ReplyBody:
        """The model sees the whole conversation with its pictures. A message that fails leaves the chat as it was."""
        await sessions.one(caller.owner, session_id)  # before its pictures are decoded
        message = await _message(data)
        with _plain_settings():
            reply = await send_message(caller, session_id, message)
        return ReplyBody.of(reply, urls)

    @get(
        "/{session_id:str}",
        opt=NEEDS_READ,
        summary="All that was said in a chat",
        responses=answer(ConversationBody, "The chat", examples.CHAT)
        | problems("session_not_found", "service_unavailable", "internal_error"),
    )
    async def detail(
        self,
        session_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
        view: FromDishka[ChatView],
    ) -> ConversationBody:
        """Pictures that were deleted from the history are null; their words are still there."""
        conversation, _ = await sessions.one(caller.owner, session_id)
        return await view.conversation(conversation)

    @delete(
        "/{session_id:str}",
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Forget a chat",
        responses=answer(ForgottenBody, "It is gone", examples.CHAT_DELETED)
        | problems("session_not_found", "service_unavailable", "internal_error"),
    )
    async def forget(
        self,
        request: LabRequest,
        session_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
    ) -> Response[ForgottenBody]:
        """Its pictures stay in the history, also one that is being made."""
        await sessions.delete(caller.owner, session_id)
        language = language_of(request)
        return in_language(language, ForgottenBody(success=True, message=say(FORGOTTEN, language)))

    @get(
        "/{session_id:str}/export",
        operation_class=ExportOperation,
        opt=NEEDS_READ,
        summary="A chat as a file",
        responses={
            **answer(ExportBody, "The chat", examples.CHAT_EXPORT),
            **problems("session_not_found", "validation_error", "service_unavailable", "internal_error"),
        },
    )
    async def export(
        self,
        request: LabRequest,
        session_id: FromPath[str],
        caller: NamedDependency[Caller],
        sessions: FromDishka[ChatSessions],
        view: FromDishka[ChatView],
        format: Annotated[ExportFormat, QueryParameter(description="What kind of file.")] = ExportFormat.JSON,
    ) -> Response[Any]:
        """Pictures are linked, not included."""
        conversation, _ = await sessions.one(caller.owner, session_id)
        if format is ExportFormat.MARKDOWN:
            text = await view.markdown(conversation, base_url=str(request.base_url))
            return _file(text, f"chat-{session_id}.md", MARKDOWN)
        return _file(await view.export(conversation), f"chat-{session_id}.json", "application/json")


async def _message(data: MessageBody) -> Message:
    """What shall be said. Raises `ValidationFailed`; pictures are counted before any of them is decoded."""
    entries: list[PictureEntry] = data.images or []
    check_count(entries, field="images", least=0)
    return Message(
        text=data.message,
        pictures=tuple(await pictures_of(entries, field="images")),
        aspect_ratio=data.aspect_ratio,
        resolution=data.resolution,
        safety_level=data.safety_level,
        include_thinking=data.include_thinking,
    )


@contextlib.contextmanager
def _plain_settings() -> Iterator[None]:
    """In a chat the settings stand beside the message, not in an object of their own; errors name them as they stand."""
    try:
        yield
    except ValidationFailed as error:
        found = [msgspec.structs.replace(each, field=each.field.removeprefix("settings.")) for each in error.errors]
        raise ValidationFailed(found) from error


def _file(content: Any, name: str, media_type: str) -> Response[Any]:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
