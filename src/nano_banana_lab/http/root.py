"""The front door: what this is and where to go on; and the files of the documentation page."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import InternalServerException
from litestar.serialization import encode_json
from litestar.static_files import create_static_files_router

from nano_banana_lab.http import examples
from nano_banana_lab.http.errors import Problem, RouteNotFound, problem_response
from nano_banana_lab.http.health import ServiceInfo
from nano_banana_lab.http.openapi import DOCS_ASSETS, OPEN, answer


class Root(msgspec.Struct, kw_only=True):
    """The service and its links."""

    name: str
    version: str
    links: dict[str, str]


class RootController(Controller):
    """The front door."""

    path = "/"
    tags = ("Operation",)
    security = OPEN

    @get(summary="What this service is", responses=answer(Root, "The service and its links", examples.ROOT))
    async def root(self, info: FromDishka[ServiceInfo]) -> Root:
        """Name, version and links."""
        links = {
            "docs": "/docs",
            "openapi": "/openapi.json",
            "health": "/api/health",
            "generate": "/api/generate",
            "history": "/api/history",
            "metrics": "/metrics",
        }
        return Root(name="Nano Banana Lab", version=info.version, links=links)

    @get("/openapi.json", include_in_schema=False)
    async def openapi(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The OpenAPI document, made once."""
        state = request.app.state
        if "openapi_document" not in state:
            state.openapi_document = encode_json(request.app.openapi_schema.to_schema())
        return Response(state.openapi_document, media_type="application/vnd.oai.openapi+json")


def docs_assets() -> Router:
    """Swagger UI from the installed package, so that the documentation works without internet access."""
    return create_static_files_router(
        path=DOCS_ASSETS,
        directories=[_package_folder("swagger_ui") / "static"],
        include_in_schema=False,
        security=OPEN,
        exception_handlers=dict.fromkeys((InternalServerException, ValueError), _no_such_file),
        cache_control=CacheControlHeader(public=True, max_age=86400),
    )


def _no_such_file(request: Request[Any, Any, Any], _: Exception) -> Response[Problem]:
    """For names that the file system itself refuses: too long, or with a NUL in them."""
    return problem_response(request, RouteNotFound())


def _package_folder(name: str) -> Path:
    """Where a package is installed, without importing it: only its files are wanted."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(name)
    return Path(spec.submodule_search_locations[0])
