"""Pictures that users bring along."""

from dataclasses import dataclass

from dishka.integrations.litestar import FromDishka
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.history.upload_picture import UploadPicture
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http import examples
from nano_banana_lab.http.errors import UnsupportedMediaType
from nano_banana_lab.http.form_operation import FILE
from nano_banana_lab.http.forms import FormPart
from nano_banana_lab.http.generated import ImageBody
from nano_banana_lab.http.lab_request import TAKES_FORMS, LabRequest
from nano_banana_lab.http.openapi import answer, problems
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.scopes import NEEDS_GENERATE

ACCEPTED = ("image/png", "image/jpeg", "image/webp")
NAMES = ("image", "file")
"""What the file may be called in a form."""


@dataclass
class UploadOperation(Operation):
    """What the document says of the body."""

    def __post_init__(self) -> None:
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties=dict.fromkeys(NAMES, FILE),
            one_of=[Schema(required=[name]) for name in NAMES],
            description="Exactly one file, called `image` or `file`.",
        )
        self.request_body = RequestBody(
            required=True,
            content={
                "multipart/form-data": OpenAPIMediaType(schema=form, example={"image": "<the bytes of a file>"}),
                **{media_type: OpenAPIMediaType(schema=FILE) for media_type in ACCEPTED},
            },
        )


class UploadsController(Controller):
    """Reference pictures."""

    path = "/api/images"
    tags = ("Generation",)

    @post(
        operation_class=UploadOperation,
        opt={**TAKES_FORMS, **NEEDS_GENERATE},
        summary="Upload a reference picture",
        responses=answer(ImageBody, "The picture, kept", examples.UPLOADED, status=201)
        | problems(
            "validation_error",
            "invalid_image",
            "unsupported_media_type",
            "payload_too_large",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def upload(
        self,
        request: LabRequest,
        caller: NamedDependency[Caller],
        upload_picture: FromDishka[UploadPicture],
        urls: FromDishka[PictureUrls],
    ) -> Response[ImageBody]:
        """A PNG, JPEG or WebP of up to 20 MiB, kept byte for byte. Its `key` can be used wherever a picture is asked for.

        Listed in the history only with `mode=upload`, and deleted like every other picture.
        """
        sent = await _sent(request)
        try:
            picture = await upload_picture(caller.owner, sent.data, name=sent.filename or "")
        except InvalidImage as error:
            raise InvalidImage(**error.details | {"field": sent.name}) from error
        image = ImageBody.of(picture, urls)
        return Response(image, headers={"Location": f"/api/history/{picture.id}"})


async def _sent(request: LabRequest) -> FormPart:
    """The one picture of a form, or a body that is called a picture, of whatever type it claims to be."""
    if request.is_form:
        found = (await request.parts()).every(*NAMES)
        if len(found) > 1:
            raise ValidationFailed.of("image", "too_many", most=1)
        if not found:
            raise ValidationFailed.of("image", "missing")
        return found[0]
    if not request.content_type[0].startswith("image/"):
        raise UnsupportedMediaType(accepted=", ".join([*ACCEPTED, "multipart/form-data"]))
    body = await request.body()
    if not body:
        raise ValidationFailed.of("body", "missing")
    return FormPart(name="body", data=body)
