"""Several pictures at once, made in the background."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.tasks.submit_task import SubmitTask, batch_of
from nano_banana_lab.http import examples
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.prompt_text import prompt_texts
from nano_banana_lab.http.scopes import NEEDS_GENERATE
from nano_banana_lab.http.task_bodies import SubmittedBody

SUBMIT_PROBLEMS = (
    "validation_error",
    "unsupported_media_type",
    "payload_too_large",
    "quota_exceeded",
    "cooldown_active",
    "service_unavailable",
    "internal_error",
)
"""What can be wrong when a task is submitted; what goes wrong with a picture stands in its item."""


class BatchBody(msgspec.Struct, kw_only=True):
    """Which pictures to make."""

    prompts: Annotated[
        list[str],
        prompt_texts(
            "What each picture shows; 1 to 2000 characters each after trimming. At most 10 prompts, unless the operator chose another number.",
            ["a corgi in a teacup", "the same corgi asleep"],
        ),
    ]
    settings: ImageSettings = msgspec.field(default_factory=ImageSettings)


@dataclass(frozen=True, kw_only=True)
class BatchLimit:
    """How many prompts a batch may have."""

    most: int


class BatchController(Controller):
    """Pictures in the background."""

    path = "/api/generate/batch"
    tags = ("Tasks",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=IdempotentOperation,
        opt=NEEDS_GENERATE,
        summary="Make several pictures in the background",
        responses=answer(SubmittedBody, "The task, taken on", examples.SUBMITTED)
        | problems(*SUBMIT_PROBLEMS, "idempotency_conflict"),
    )
    async def batch(
        self,
        data: JSONBody[BatchBody],
        caller: NamedDependency[Caller],
        submit: FromDishka[SubmitTask],
        limit: FromDishka[BatchLimit],
    ) -> SubmittedBody:
        """The trial's points for all pictures are set aside at once; those of a picture that fails are given back."""
        task = await submit(caller, batch_of(data.prompts, data.settings, most=limit.most))
        return SubmittedBody.of(task)
