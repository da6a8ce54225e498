"""The OpenAPI document: what is said of the service as a whole, and of every error."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Example, License, OpenAPI, SecurityScheme

from nano_banana_lab.core.shared.errors import family
from nano_banana_lab.http.caller import API_KEY_HEADER
from nano_banana_lab.http.errors import STATUS_BY_CODE, Problem, ProblemError, RouteNotFound

DOCS_ASSETS = "/docs/assets"
DESCRIPTION = """Makes, refines and keeps AI pictures with Google Gemini.

Every error is a problem object (RFC 9457) with a stable `code`; its sentence follows `Accept-Language`.
Every response carries `X-Request-ID`, by which the log can be searched.
Requests that reach a route below `/api/` are counted for each user, or each client address where nobody signs in, apart
from health and the bytes of pictures; all guests of an address also count together. `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds) say what is left.
With an `X-API-Key` header a request is paid by that Google API key; it is never logged, and stored only sealed, until its task is done.
"""

GOOGLE_API_KEY = SecurityScheme(
    type="apiKey",
    name=API_KEY_HEADER,
    security_scheme_in="header",
    description="Optional: a Google API key that pays for this request instead of the operator's.",
)

BEARER = SecurityScheme(
    type="http",
    scheme="bearer",
    description=(
        "The `access_token` of `POST /api/auth/callback` or `POST /api/auth/guest`, with which everything may be done, "
        "or an access token (`nbl_...`) of `POST /api/auth/tokens`, with which only what its scopes allow may be done."
    ),
)

WITH_TOKEN: list[dict[str, list[str]]] = [{"bearer": []}, {"bearer": [], "google_api_key": []}]
"""The security of every other route where users sign in."""

WITHOUT_TOKEN: list[dict[str, list[str]]] = [{}, {"google_api_key": []}, *WITH_TOKEN]
"""The security of every other route where they do not; a token is not looked at then."""

OPEN: list[dict[str, list[str]]] = [{}]
"""The security of a route that looks at no key and no token."""


class Document(OpenAPI):
    """The document without the 400 that the framework adds wherever there is input; here bad input is a 422."""

    def to_schema(self) -> dict[str, Any]:
        """The document as JSON-ready data."""
        schema = super().to_schema()
        for operation in (each for path in schema["paths"].values() for each in path.values()):
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            if "application/json" in responses.get("400", {}).get("content", {}):
                del responses["400"]
        return schema


class DocumentConfig(OpenAPIConfig):
    """Makes a `Document`."""

    def to_openapi_schema(self) -> Document:
        made = super().to_openapi_schema()
        return Document(**{field.name: getattr(made, field.name) for field in fields(made)})


class NamedExample(Example):
    """An example whose `id` is the name under which it is listed, and not also written into it."""

    @property
    def _exclude_fields(self) -> set[str]:
        return {"id"}


def problems(*codes: str) -> dict[int, ResponseSpec]:
    """The documented errors of a route, one response for each status with an example for each code."""
    by_status = defaultdict[int, list[str]](list)
    for code in dict.fromkeys(codes):
        by_status[STATUS_BY_CODE[code]].append(code)
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=f"{HTTPStatus(status).phrase}: " + ", ".join(f"`{code}`" for code in listed),
            media_type="application/problem+json",
            generate_examples=False,
            examples=[_example(code, status) for code in listed],
        )
        for status, listed in sorted(by_status.items())
    }


def with_problems(responses: Mapping[int, ResponseSpec] | None, *codes: str) -> dict[int, ResponseSpec]:
    """The documented responses of a route, with these errors among them."""
    found = dict(responses or {})
    documented = [spec.examples or [] for spec in found.values() if spec.data_container is Problem]
    return found | problems(*[str(example.id) for examples in documented for example in examples], *codes)


def answer(data: Any, description: str, example: Any, *, status: int = 200) -> dict[int, ResponseSpec]:
    """The documented success of a route."""
    as_written = msgspec.Raw(msgspec.json.encode(example))  # the document leaves out what is None
    shown: list[Example] = [NamedExample(id="example", value=as_written)]
    return {status: ResponseSpec(data, description=description, generate_examples=False, examples=shown)}


def openapi_config(version: str, *, sign_in: bool) -> OpenAPIConfig:
    """What the document says, and the page at `/docs`, which loads nothing from outside."""
    return DocumentConfig(
        title="Nano Banana Lab",
        version=version,
        description=DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        components=Components(security_schemes={"bearer": BEARER, "google_api_key": GOOGLE_API_KEY}),
        security=WITH_TOKEN if sign_in else WITHOUT_TOKEN,
        openapi_router=Router(
            "/docs", route_handlers=[], include_in_schema=False, security=OPEN, before_request=_only_the_page
        ),
        use_handler_docstrings=True,
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                js_url=f"{DOCS_ASSETS}/swagger-ui-bundle.js",
                css_url=f"{DOCS_ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{DOCS_ASSETS}/swagger-ui-standalone-preset.js",
                favicon=f"<link rel='icon' type='image/png' href='{DOCS_ASSETS}/favicon-32x32.png'>",
            ),
        ],
    )


def _only_the_page(request: Request[Any, Any, Any]) -> None:
    """The framework answers other paths below `/docs` with a page of its own instead of a problem."""
    if request.scope["path"].rstrip("/") != "/docs":
        raise RouteNotFound


def _example(code: str, status: int) -> Example:
    sentence = _sentences()[code].format_map(defaultdict(lambda: "..."))
    problem = Problem(
        type=f"urn:nano-banana-lab:error:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=sentence,
        instance="/api/...",
        code=code,
        request_id="0f8d1c6d5c7c4b2a9e3f1a2b3c4d5e6f",
        error=ProblemError(code=code, message=sentence, details={}),
    )
    return NamedExample(id=code, summary=code, value=problem)


def _sentences() -> dict[str, str]:
    """The English sentence of every code; of several errors with one code, the most general one's."""
    found = dict[str, str]()
    for error in family():
        found.setdefault(error.code, error.sentence)
    return found
