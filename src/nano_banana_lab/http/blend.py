"""Several pictures into one."""

from typing import Annotated, Any, ClassVar

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import MAX_PICTURES, InputPicture, check_count
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.http import examples
from nano_banana_lab.http.deliver import ACCEPTED, Deliver
from nano_banana_lab.http.form_operation import FormOperation, files
from nano_banana_lab.http.forms import FormPart
from nano_banana_lab.http.generated import PICTURE_PROBLEMS, GeneratedBody, text_or_none
from nano_banana_lab.http.idempotency import Idempotency
from nano_banana_lab.http.lab_request import TAKES_FORMS, LabRequest
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_inputs import PictureEntry, pictures_by_key, pictures_in, pictures_of
from nano_banana_lab.http.scopes import NEEDS_GENERATE


class BlendBody(msgspec.Struct, kw_only=True):
    """Which pictures to blend, and how. 2 to 14 in all: first those of `image_keys`, then `images`, then files."""

    image_keys: Annotated[list[str] | None, msgspec.Meta(description="Keys of pictures of yours.")] = None
    images: list[PictureEntry] | None = None
    blend_prompt: Annotated[
        str | None, msgspec.Meta(description="How to blend them, up to 2000 characters; without it the lab decides.")
    ] = None
    settings: ImageSettings = msgspec.field(default_factory=ImageSettings)


class BlendOperation(FormOperation):
    """What the document says of the body."""

    files: ClassVar = {"images": files("Pictures, after those that the part `request` names.", MAX_PICTURES)}
    example: ClassVar = examples.BLEND


class BlendController(Controller):
    """Pictures from pictures."""

    path = "/api/generate/blend"
    tags = ("Generation",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=BlendOperation,
        opt={**TAKES_FORMS, **NEEDS_GENERATE},
        summary="Blend 2 to 14 pictures into one",
        responses=answer(GeneratedBody, "The picture, made and kept", examples.BLENDED)
        | ACCEPTED
        | problems(*PICTURE_PROBLEMS, "idempotency_conflict"),
    )
    async def blend(
        self,
        request: LabRequest,
        data: JSONBody[BlendBody],
        caller: NamedDependency[Caller],
        deliver: FromDishka[Deliver],
    ) -> Response[Any]:
        """PNG, JPEG and WebP, up to 20 MiB each. They reach the model byte for byte, unless EXIF says they must be turned."""
        inputs = await _inputs(data, (await request.parts()).every("images"))
        commission = blend_images(inputs, data.settings, prompt=text_or_none(data.blend_prompt))
        return await deliver(request, caller, commission)


async def _inputs(data: BlendBody, sent: list[FormPart]) -> list[InputPicture]:
    """Counted before anything is decoded."""
    keys, entries = data.image_keys or [], data.images or []
    check_count([*keys, *entries, *sent], field="images", least=2)
    return [
        *pictures_by_key(keys, field="image_keys"),
        *await pictures_of(entries, field="images"),
        *pictures_in(sent, field="images", after=len(entries)),
    ]
