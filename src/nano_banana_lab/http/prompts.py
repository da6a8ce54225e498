"""The prompt library: look through it, keep prompts of your own, have some written."""

from typing import Annotated, Any

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import AuthenticationFailed
from nano_banana_lab.core.prompts.library import Library, LibraryQuery
from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptDraft
from nano_banana_lab.core.prompts.prompt import ENGLISH, Language
from nano_banana_lab.http import examples
from nano_banana_lab.http.caller import owner_of
from nano_banana_lab.http.errors import language_of
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Sentence, say
from nano_banana_lab.http.openapi import OPEN, answer, problems
from nano_banana_lab.http.prompt_bodies import (
    LANGUAGE,
    CategoryBody,
    CategoryName,
    FavoriteBody,
    KeptBody,
    LibraryBody,
    NewPromptBody,
    PromptBody,
    PromptDeletedBody,
)
from nano_banana_lab.http.scopes import NEEDS_MANAGE, NEEDS_READ

KEPT = Sentence("Kept the prompt.")
MARKED = Sentence("Added the prompt to your favourites.")
UNMARKED = Sentence("Removed the prompt from your favourites.")
DELETED = Sentence("Deleted the prompt.")

LanguageParameter = Annotated[str, QueryParameter(description=LANGUAGE)]


class PromptsController(Controller):
    """Prompts to begin with, and your own."""

    path = "/api/prompts"
    tags = ("Prompts",)

    @get(
        opt=NEEDS_READ,
        summary="Look through the library",
        responses=answer(LibraryBody, "A page of prompts, and all categories", examples.PROMPTS)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def library(
        self,
        caller: NamedDependency[Caller],
        library: FromDishka[Library],
        category: FromQuery[CategoryName | None] = None,
        search: Annotated[str, QueryParameter(max_length=200, description="Words that all must occur.")] = "",
        favorites_only: FromQuery[bool] = False,  # noqa: FBT002  a query parameter has no position
        language: LanguageParameter = ENGLISH,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
        offset: Annotated[int, QueryParameter(ge=0, le=1_000_000_000)] = 0,
    ) -> LibraryBody:
        """Your own prompts first, the newest first, then those that ship with the service. Only prompts in `language`."""
        spoken = Language(language)
        query = LibraryQuery(
            owner=caller.owner,
            language=spoken,
            category=category,
            search=search,
            favorites_only=favorites_only,
            limit=limit,
            offset=offset,
        )
        return LibraryBody.of(await library(query), library.categories(spoken))

    @get(
        "/categories",
        security=OPEN,
        summary="All categories",
        responses=answer(list[CategoryBody], "Every category, in order", examples.CATEGORIES)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def categories(
        self, request: Request[Any, Any, Any], library: FromDishka[Library], language: LanguageParameter = ENGLISH
    ) -> list[CategoryBody]:
        """Needs no token; with one, your own prompts are counted too."""
        spoken = Language(language)
        try:
            owner = await owner_of(request)
        except AuthenticationFailed:
            owner = None
        counts = await library.counts(owner, spoken)
        return CategoryBody.all_of(library.categories(spoken), counts)

    @post(
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Keep a prompt",
        responses=answer(KeptBody, "The prompt, kept", examples.PROMPT_KEPT)
        | problems(
            "validation_error",
            "unsupported_media_type",
            "payload_too_large",
            "rate_limit_exceeded",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def keep(
        self,
        request: LabRequest,
        data: JSONBody[NewPromptBody],
        caller: NamedDependency[Caller],
        own: FromDishka[OwnPrompts],
    ) -> Response[KeptBody]:
        """Nobody else sees it. There is room for 10,000; beyond that it is 429 until some are deleted."""
        draft = PromptDraft(text=data.text, description=data.description, tags=tuple(data.tags))
        kept = own.prepared([draft], category=data.category, language=Language(data.language))
        await own.check_room(caller.owner, len(kept))
        await own.keep(caller.owner, kept)
        spoken = language_of(request)
        body = KeptBody(prompt=PromptBody.of(kept[0], is_favorite=False), message=say(KEPT, spoken))
        return in_language(spoken, body)

    @post(
        "/{prompt_id:str}/favorite",
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Add a prompt to your favourites, or remove it",
        responses=answer(FavoriteBody, "Whether it is a favourite now", examples.PROMPT_FAVORITE)
        | problems("prompt_not_found", "service_unavailable", "internal_error"),
    )
    async def favorite(
        self,
        request: LabRequest,
        prompt_id: FromPath[str],
        caller: NamedDependency[Caller],
        own: FromDishka[OwnPrompts],
    ) -> Response[FavoriteBody]:
        """The other way round each time it is called. Built-in prompts can be favourites as well."""
        is_favorite = await own.toggle_favorite(caller.owner, prompt_id)
        spoken = language_of(request)
        message = say(MARKED if is_favorite else UNMARKED, spoken)
        return in_language(spoken, FavoriteBody(prompt_id=prompt_id, is_favorite=is_favorite, message=message))

    @delete(
        "/{prompt_id:str}",
        status_code=200,
        opt=NEEDS_MANAGE,
        summary="Delete a prompt of your own",
        responses=answer(PromptDeletedBody, "It is gone", examples.PROMPT_DELETED)
        | problems("prompt_not_found", "authorization_failed", "service_unavailable", "internal_error"),
    )
    async def delete_prompt(
        self,
        request: LabRequest,
        prompt_id: FromPath[str],
        caller: NamedDependency[Caller],
        own: FromDishka[OwnPrompts],
    ) -> Response[PromptDeletedBody]:
        """A built-in prompt is 403."""
        await own.delete(caller.owner, prompt_id)
        spoken = language_of(request)
        return in_language(spoken, PromptDeletedBody(success=True, message=say(DELETED, spoken)))
