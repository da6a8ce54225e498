"""Text to image, and what it would cost."""

from typing import Annotated, Any, Literal

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.estimate_cost import CostEstimate, estimate_cost
from nano_banana_lab.core.generation.generate_image import GenerateImage
from nano_banana_lab.core.generation.generated_image import Grounding, SafetyRating
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.http import examples
from nano_banana_lab.http.caller import api_key_of
from nano_banana_lab.http.idempotency import Idempotency, IdempotentOperation
from nano_banana_lab.http.openapi import OPEN, answer, problems
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.timestamps import Timestamp, rfc3339

GENERATION_PROBLEMS = (
    "validation_error",
    "no_api_key",
    "content_blocked",
    "no_image",
    "invalid_api_key",
    "unsupported_media_type",
    "payload_too_large",
    "quota_exceeded",
    "cooldown_active",
    "upstream_rate_limited",
    "upstream_error",
    "upstream_timeout",
    "model_retired",
    "overloaded",
    "service_unavailable",
    "internal_error",
)

PaidMode = Literal["basic", "chat", "batch", "blend", "style", "search"]
"""Every mode that costs something; an upload does not."""


class GenerateBody(msgspec.Struct, kw_only=True):
    """What picture to make."""

    prompt: Annotated[
        str,
        msgspec.Meta(
            description="What the picture shows; 1 to 2000 characters after trimming.", examples=["a corgi in a teacup"]
        ),
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


class ImageBody(msgspec.Struct, kw_only=True):
    """The delivered picture; sizes in pixels and bytes. `key` is its name in the blob store."""

    id: str
    key: str
    filename: str
    url: str
    thumbnail_url: str
    width: int
    height: int
    mime_type: str
    size_bytes: int
    sha256: str
    requested_resolution: str
    matches_request: bool

    @classmethod
    def of(cls, picture: Picture, urls: PictureUrls) -> "ImageBody":
        """The picture as clients see it."""
        return cls(
            id=picture.id,
            key=picture.key,
            filename=picture.filename,
            url=urls.of(picture),
            thumbnail_url=urls.thumbnail(picture),
            width=picture.width,
            height=picture.height,
            mime_type=picture.mime_type,
            size_bytes=picture.size_bytes,
            sha256=picture.sha256,
            requested_resolution=picture.resolution,
            matches_request=picture.matches_request,
        )


class UsageBody(msgspec.Struct, kw_only=True):
    """Tokens as the model counted them, and what they cost."""

    prompt_tokens: int
    output_tokens: int
    thinking_tokens: int
    total_tokens: int
    cost_usd: float


class GeneratedBody(msgspec.Struct, kw_only=True):
    """A picture just made. `duration` is in seconds, `id` its id in the history."""

    id: str
    image: ImageBody
    prompt: str
    thinking: str | None
    text_response: str | None
    duration: float
    mode: Mode
    settings: ImageSettings
    created_at: Timestamp
    model: str
    usage: UsageBody
    grounding: Grounding | None
    safety_ratings: tuple[SafetyRating, ...]

    @classmethod
    def of(cls, made: NewPicture, urls: PictureUrls) -> "GeneratedBody":
        """The outcome as clients see it."""
        picture, usage = made.picture, made.answer.usage
        return cls(
            id=picture.id,
            image=ImageBody.of(picture, urls),
            prompt=picture.prompt,
            thinking=picture.thinking,
            text_response=picture.text_response,
            duration=picture.duration,
            mode=picture.mode,
            settings=made.request.settings,
            created_at=rfc3339(picture.created_at),
            model=picture.model,
            usage=UsageBody(
                prompt_tokens=usage.prompt_tokens,
                output_tokens=usage.output_tokens,
                thinking_tokens=usage.thinking_tokens,
                total_tokens=usage.total_tokens,
                cost_usd=picture.cost_usd,
            ),
            grounding=made.answer.grounding,
            safety_ratings=made.answer.safety_ratings,
        )


class GenerateController(Controller):
    """Pictures from words."""

    path = "/api/generate"
    tags = ("Generation",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=IdempotentOperation,
        summary="Make a picture from a prompt",
        responses=answer(GeneratedBody, "The picture, made and kept", examples.GENERATED)
        | problems(*GENERATION_PROBLEMS, "idempotency_conflict"),
    )
    async def generate(
        self,
        data: JSONBody[GenerateBody],
        caller: NamedDependency[Caller],
        generate_image: FromDishka[GenerateImage],
        urls: FromDishka[PictureUrls],
    ) -> GeneratedBody:
        """Takes 20 to 150 seconds with a real model. The picture is kept even when the client hangs up meanwhile."""
        made = await generate_image(caller, data.prompt, data.settings, include_thinking=data.include_thinking)
        return GeneratedBody.of(made, urls)

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
