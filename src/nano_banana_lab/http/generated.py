"""What every route that makes a picture answers."""

from typing import Self

import msgspec

from nano_banana_lab.core.generation.generated_image import SafetyRating
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.make_picture import NewPicture
from nano_banana_lab.core.history.grounding import Grounding
from nano_banana_lab.core.history.picture import Mode, Picture
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
"""What can go wrong whenever a picture is made."""

PICTURE_PROBLEMS = (*GENERATION_PROBLEMS, "invalid_image", "image_not_found")
"""And when the request brings pictures along."""


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
    def of(cls, picture: Picture, urls: PictureUrls) -> Self:
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

    @classmethod
    def of(cls, made: NewPicture) -> Self:
        """What this picture took."""
        usage = made.answer.usage
        return cls(
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            thinking_tokens=usage.thinking_tokens,
            total_tokens=usage.total_tokens,
            cost_usd=made.picture.cost_usd,
        )


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
    def of(cls, made: NewPicture, urls: PictureUrls) -> Self:
        """The outcome as clients see it."""
        picture = made.picture
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
            usage=UsageBody.of(made),
            grounding=made.answer.grounding,
            safety_ratings=made.answer.safety_ratings,
        )


def text_or_none(text: str | None) -> str | None:
    """An optional text; left empty, as forms do, it was not given."""
    return text if text and not text.isspace() else None
