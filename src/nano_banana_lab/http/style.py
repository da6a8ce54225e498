"""One picture in the style of another, or of a description."""

from typing import Annotated, Any, ClassVar

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import InputPicture, SentPicture, StoredPicture
from nano_banana_lab.core.generation.transfer_style import transfer_style
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http import examples
from nano_banana_lab.http.deliver import ACCEPTED, Deliver
from nano_banana_lab.http.form_operation import FILE, FormOperation
from nano_banana_lab.http.forms import FormPart
from nano_banana_lab.http.generated import PICTURE_PROBLEMS, GeneratedBody, text_or_none
from nano_banana_lab.http.idempotency import Idempotency
from nano_banana_lab.http.lab_request import TAKES_FORMS, LabRequest
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_inputs import PictureEntry, picture_of
from nano_banana_lab.http.scopes import NEEDS_GENERATE


class StyleBody(msgspec.Struct, kw_only=True):
    """Which picture to draw anew, and in which style: that of a description, of a picture, or both."""

    content_image_key: Annotated[str | None, msgspec.Meta(description="The key of a picture of yours.")] = None
    content_image: PictureEntry | None = None
    style_prompt: Annotated[
        str | None, msgspec.Meta(description="The style in words, up to 2000 characters.", examples=["woodcut"])
    ] = None
    style_image_key: Annotated[str | None, msgspec.Meta(description="The key of a picture of yours.")] = None
    style_image: PictureEntry | None = None
    settings: ImageSettings = msgspec.field(default_factory=ImageSettings)


class StyleOperation(FormOperation):
    """What the document says of the body."""

    files: ClassVar = {"content_image": FILE, "style_image": FILE}
    example: ClassVar = examples.STYLE


class StyleController(Controller):
    """Pictures drawn anew."""

    path = "/api/generate/style"
    tags = ("Generation",)

    @post(
        status_code=200,
        middleware=[Idempotency()],
        operation_class=StyleOperation,
        opt={**TAKES_FORMS, **NEEDS_GENERATE},
        summary="Draw a picture anew in another style",
        responses=answer(GeneratedBody, "The picture, made and kept", examples.STYLED)
        | ACCEPTED
        | problems(*PICTURE_PROBLEMS, "idempotency_conflict"),
    )
    async def style(
        self,
        request: LabRequest,
        data: JSONBody[StyleBody],
        caller: NamedDependency[Caller],
        deliver: FromDishka[Deliver],
    ) -> Response[Any]:
        """Exactly one content picture, and a `style_prompt`, a style picture, or both."""
        form = await request.parts()
        content = await _picture("content_image", data.content_image_key, data.content_image, form.one("content_image"))
        style = await _picture("style_image", data.style_image_key, data.style_image, form.one("style_image"))
        if content is None:
            raise _not_one("content_image")
        prompt = text_or_none(data.style_prompt)
        commission = transfer_style(content, data.settings, style=style, prompt=prompt)
        return await deliver(request, caller, commission)


async def _picture(
    field: str, key: str | None, entry: PictureEntry | None, sent: FormPart | None
) -> InputPicture | None:
    """The one that was given of the three, if any. Raises `ValidationFailed` when there are more."""
    if sum(given is not None for given in (key, entry, sent)) > 1:
        raise _not_one(field)
    if key is not None:
        return StoredPicture(key=key, field=f"{field}_key")
    if entry is not None:
        return await picture_of(entry, field=field)
    return SentPicture(data=sent.data, field=field) if sent else None


def _not_one(field: str) -> ValidationFailed:
    return ValidationFailed.of(field, "one_of", choices=f"{field}_key, {field}")
