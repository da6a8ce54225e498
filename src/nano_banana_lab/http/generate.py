"""Text to image, and what it would cost."""

from typing import Annotated, Any, Literal

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.estimate_cost import CostEstimate, estimate_cost
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.http import examples
from nano_banana_lab.http.caller import api_key_of
from nano_banana_lab.http.deliver import ACCEPTED, Deliver, DeliveryOperation
from nano_banana_lab.http.generated import GENERATION_PROBLEMS, GeneratedBody
from nano_banana_lab.http.idempotency import Idempotency
from nano_banana_lab.http.lab_request import LabRequest
from nano_banana_lab.http.openapi import OPEN, answer, problems
from nano_banana_lab.http.prompt_text import prompt_text
from nano_banana_lab.http.scopes import NEEDS_GENERATE

PaidMode = Literal["basic", "chat", "batch", "blend", "style", "search"]
"""Every mode that costs something; an upload does not."""


class GenerateBody(msgspec.Struct, kw_only=True):
    """What picture to make."""

    prompt: Annotated[
        str,
        prompt_text("What the picture shows.", "a corgi in a teacup"),
    ]
    settings: ImageSettings = msgspec.field(default_factory=ImageSettings)
    include_thinking: Annotated[
        bool, msgspec.Meta(description="Ask the model for its thoughts; they cost the same either way.")
    ] = False


class EstimateBody(msgspec.Struct, kw_only=True):
    """Which pictures to reckon for."""

    mode: PaidMode = "basic"
    resolution: Resolution = Resolution.ONE_K
    count: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many pictures.", examples=[4])] = 1


class GenerateController(Controller):
    """Pictures from words."""

    path = "/api/generate"
    tags = ("Generation",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=DeliveryOperation,
        opt=NEEDS_GENERATE,
        summary="Make a picture from a prompt",
        responses=answer(GeneratedBody, "The picture, made and kept", examples.GENERATED)
        | ACCEPTED
        | problems(*GENERATION_PROBLEMS, "idempotency_conflict"),
    )
    async def generate(
        self,
        request: LabRequest,
        data: JSONBody[GenerateBody],
        caller: NamedDependency[Caller],
        deliver: FromDishka[Deliver],
    ) -> Response[Any]:
        """Takes 20 to 150 seconds with a real model. The picture is kept even when the client hangs up meanwhile."""
        commission = generate_image(data.prompt, data.settings, include_thinking=data.include_thinking)
        return await deliver(request, caller, commission)

    @post(
        "/estimate",
        status_code=200,
        security=OPEN,
        summary="What pictures would probably cost",
        responses=answer(CostEstimate, "For all pictures together", examples.ESTIMATE)
        | problems("validation_error", "unsupported_media_type", "payload_too_large", "internal_error"),
    )
    async def estimate(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[EstimateBody],
        models: FromDishka[ImageModels],
        policy: FromDishka[QuotaPolicy],
    ) -> CostEstimate:
        """Needs no token and spends nothing; with an `X-API-Key` it reckons for the model that such a key pays for."""
        card = models.paid_by(api_key_of(request)).card
        return estimate_cost(card, policy, mode=Mode(data.mode), resolution=data.resolution, count=data.count)
