"""A picture that rests on what the web says today."""

from typing import Annotated, Any, Self

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.generation.search_and_generate import search_and_generate
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.http import examples
from nano_banana_lab.http.deliver import ACCEPTED, Deliver, DeliveryOperation
from nano_banana_lab.http.generated import GENERATION_PROBLEMS, GeneratedBody, text_or_none
from nano_banana_lab.http.idempotency import Idempotency
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.prompt_text import prompt_text
from nano_banana_lab.http.scopes import NEEDS_GENERATE


class SearchBody(msgspec.Struct, kw_only=True):
    """What picture to make, and what to look up for it."""

    prompt: Annotated[
        str,
        prompt_text("What the picture shows.", "the weather in Lisbon this week as a hand-drawn chart"),
    ]
    search_context: Annotated[
        str | None, msgspec.Meta(description="What to search the web for; up to 2000 characters.")
    ] = None
    settings: ImageSettings = msgspec.field(default_factory=ImageSettings)


class SearchedBody(GeneratedBody, kw_only=True):
    """A picture made after a web search. Whoever shows it must also show `search_sources`, Google's HTML, unaltered."""

    search_sources: str | None

    @classmethod
    def of(cls, made: NewPicture, urls: PictureUrls) -> Self:
        """The outcome as clients see it; when the model did not search, `grounding` and `search_sources` are null."""
        grounding = made.answer.grounding
        return cls(
            **msgspec.structs.asdict(GeneratedBody.of(made, urls)),
            search_sources=grounding.search_suggestions_html if grounding else None,
        )


class SearchController(Controller):
    """Pictures from words and from the web."""

    path = "/api/generate/search"
    tags = ("Generation",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=DeliveryOperation,
        opt=NEEDS_GENERATE,
        summary="Make a picture from a prompt and a web search",
        responses=answer(SearchedBody, "The picture, made and kept", examples.SEARCHED)
        | ACCEPTED
        | problems(*GENERATION_PROBLEMS, "idempotency_conflict"),
    )
    async def search(
        self,
        request: LabRequest,
        data: JSONBody[SearchBody],
        caller: NamedDependency[Caller],
        deliver: FromDishka[Deliver],
    ) -> Response[Any]:
        """The model searches with Google first. What it found is for the caller alone, here and in the history."""
        context = text_or_none(data.search_context)
        commission = search_and_generate(data.prompt, data.settings, search_context=context)
        return await deliver(request, caller, commission, SearchedBody)
