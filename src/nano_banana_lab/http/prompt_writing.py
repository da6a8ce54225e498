"""Prompts that a text model writes."""

from collections.abc import Sequence

from dishka.integrations.litestar import FromDishka
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from nano_banana_lab.core.generation.prompt import checked_prompt
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.prompts.prompt import Language
from nano_banana_lab.core.prompts.write_prompts import WritePrompts
from nano_banana_lab.http import examples
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.prompt_bodies import (
    EnhanceBody,
    EnhancedBody,
    GeneratePromptsBody,
    PromptBody,
    VariationsBody,
    VariedBody,
    WrittenPromptsBody,
)
from nano_banana_lab.http.scopes import NEEDS_GENERATE

WRITING_PROBLEMS = (
    "validation_error",
    "no_api_key",
    "content_blocked",
    "invalid_api_key",
    "unsupported_media_type",
    "payload_too_large",
    "quota_exceeded",
    "upstream_rate_limited",
    "upstream_error",
    "upstream_timeout",
    "model_retired",
    "overloaded",
    "service_unavailable",
    "internal_error",
    "idempotency_conflict",
)
"""What can go wrong whenever a prompt is written."""


def writing(path: str, *, summary: str, responses: dict[int, ResponseSpec], also: Sequence[str] = ()) -> post:
    """A route that has a model write; a repeat with the same `Idempotency-Key` is not paid twice.

    `also` are the problems that it has besides those of every such route.
    """
    return post(
        path,
        status_code=200,
        middleware=[Idempotency()],
        operation_class=IdempotentOperation,
        opt=NEEDS_GENERATE,
        summary=summary,
        responses=responses | problems(*WRITING_PROBLEMS, *also),
    )


class PromptWritingController(Controller):
    """Prompts that somebody writes for you."""

    path = "/api/prompts"
    tags = ("Prompts",)

    @writing(
        "/generate",
        summary="Have prompts written",
        responses=answer(WrittenPromptsBody, "The prompts, kept in your library", examples.PROMPTS_WRITTEN),
        also=["rate_limit_exceeded"],
    )
    async def generate(
        self, data: JSONBody[GeneratePromptsBody], caller: NamedDependency[Caller], write: FromDishka[WritePrompts]
    ) -> WrittenPromptsBody:
        """Takes some seconds. Exactly as many as asked for, no two alike; when the model does not manage that, it is 502.

        Without room for so many more in your library it is 429 before anything is asked of the model.
        """
        prompts = await write(
            caller, category=data.category, style=data.style, count=data.count, language=Language(data.language)
        )
        return WrittenPromptsBody(prompts=PromptBody.all_of(prompts), count=len(prompts), category=data.category)

    @writing(
        "/enhance",
        summary="Have a prompt told better",
        responses=answer(EnhancedBody, "The prompt, told better", examples.PROMPT_ENHANCED),
    )
    async def enhance(
        self, data: JSONBody[EnhanceBody], caller: NamedDependency[Caller], write: FromDishka[WritePrompts]
    ) -> EnhancedBody:
        """The same picture in more words; not kept."""
        original = checked_prompt(data.prompt)
        language = None if data.language is None else Language(data.language)
        return EnhancedBody(prompt=await write.enhance(caller, original, language=language), original=original)

    @writing(
        "/variations",
        summary="Have a prompt varied",
        responses=answer(VariedBody, "Other pictures of the same idea", examples.PROMPTS_VARIED),
    )
    async def variations(
        self, data: JSONBody[VariationsBody], caller: NamedDependency[Caller], write: FromDishka[WritePrompts]
    ) -> VariedBody:
        """They differ in style, mood or composition, and are in the prompt's own language; not kept."""
        return VariedBody(prompts=await write.vary(caller, data.prompt, count=data.count, kind=data.kind))
