"""How request bodies are read."""

from typing import Any

from litestar import Request

from nano_banana_lab.http.errors import UnsupportedMediaType
from nano_banana_lab.http.field_errors import decode_json


class LabRequest(Request[Any, Any, Any]):
    """Reads a JSON body strictly into the type that the handler's `data` asks for, and only when it is called JSON."""

    async def json(self) -> Any:
        """The body. Raises `UnsupportedMediaType` for anything that is not JSON, `ValidationFailed` for bad JSON."""
        media_type, _ = self.content_type
        if media_type not in ("", "application/json") and not media_type.endswith("+json"):
            raise UnsupportedMediaType(accepted="application/json")
        return decode_json(await self.body(), self.route_handler.parsed_fn_signature.parameters["data"].annotation)
