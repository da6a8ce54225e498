"""How request bodies are read."""

from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType

from nano_banana_lab.http.errors import UnsupportedMediaType
from nano_banana_lab.http.field_errors import decode_json
from nano_banana_lab.http.forms import Form, read_form

TAKES_FORMS: Mapping[str, Any] = {"takes_forms": True}
"""The `opt` of a route that reads `multipart/form-data` too. What would be its JSON body is then the part `request`."""


class LabRequest(Request[Any, Any, Any]):
    """Reads a JSON body strictly into the type that the handler's `data` asks for, and only when it is called JSON."""

    _parts: Form | None = None

    async def json(self) -> Any:
        """The body, or the part `request` of a form, which may be missing when nothing in it is needed.

        Raises `UnsupportedMediaType` for anything that is neither, `ValidationFailed` for bad JSON and bad forms.
        """
        wanted = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        if self.is_form:
            part = (await self.parts()).one("request")
            return decode_json(part.data if part else b"{}", wanted, whole="request")
        media_type, _ = self.content_type
        if media_type not in ("", "application/json") and not media_type.endswith("+json"):
            raise UnsupportedMediaType(accepted=self._accepted)
        return decode_json(await self.body(), wanted)

    async def parts(self) -> Form:
        """The parts of a form; none when the body is something else. Raises `ValidationFailed`."""
        if not self.is_form:
            return Form()
        if self._parts is None:
            self._parts = await read_form(await self.body(), self.content_type[1].get("boundary", ""))
        return self._parts

    @property
    def is_form(self) -> bool:
        """Whether the body is a form and the route reads forms."""
        return self._takes_forms and self.content_type[0] == RequestEncodingType.MULTI_PART

    @property
    def _accepted(self) -> str:
        return "application/json, multipart/form-data" if self._takes_forms else "application/json"

    @property
    def _takes_forms(self) -> bool:
        return bool(TAKES_FORMS.items() <= self.route_handler.opt.items())
