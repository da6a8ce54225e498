"""How the OpenAPI document describes a route that reads JSON as well as a form with files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from litestar.openapi.spec import Encoding, OpenAPIFormat, OpenAPIMediaType, OpenAPIType, RequestBody, Schema

from nano_banana_lab.http.deliver import DeliveryOperation

FILE = Schema(
    type=OpenAPIType.STRING,
    format=OpenAPIFormat.BINARY,
    content_media_type="image/*",
    description="A PNG, JPEG or WebP of up to 20 MiB.",
)


def files(description: str, most: int) -> Schema:
    """Up to `most` file parts of one name."""
    return Schema(type=OpenAPIType.ARRAY, items=FILE, max_items=most, description=description)


@dataclass
class FormOperation(DeliveryOperation):
    """Adds the form to the JSON body that the framework describes; a route says in a subclass which files it takes."""

    files: ClassVar[Mapping[str, Schema]] = {}
    example: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        content = cast("RequestBody", self.request_body).content
        json = content["application/json"]
        assert json.schema is not None  # made from the type of `data`
        json.example = dict(self.example)
        content["multipart/form-data"] = OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                properties={**self.files, "request": json.schema},
                description="Files, and in the part `request` what else would be in the JSON body.",
            ),
            encoding={"request": Encoding(content_type="application/json")},
            example={"request": {"settings": {"aspect_ratio": "1:1"}}},
        )
