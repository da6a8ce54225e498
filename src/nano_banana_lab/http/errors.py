"""The one table from errors to HTTP statuses, and the one shape in which a client sees them (RFC 9457)."""

import http
import logging
import math
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from nano_banana_lab.core.identity.ports import AuthenticationFailed, ScopeMissing, SignInFailed
from nano_banana_lab.core.shared.errors import FieldError, LabError, ValidationFailed
from nano_banana_lab.http.caller import bearer_token
from nano_banana_lab.http.field_errors import from_litestar
from nano_banana_lab.http.localised import CONTENT_LANGUAGE
from nano_banana_lab.http.messages import Language, field_message, negotiate, sentence
from nano_banana_lab.http.request_id import request_id_of

logger = logging.getLogger(__name__)

STATUS_BY_CODE = {
    "validation_error": 422,
    "invalid_image": 422,
    "no_api_key": 400,
    "content_blocked": 400,
    "no_image": 502,
    "authentication_failed": 401,
    "invalid_api_key": 401,
    "authorization_failed": 403,
    "not_found": 404,
    "image_not_found": 404,
    "session_not_found": 404,
    "task_not_found": 404,
    "prompt_not_found": 404,
    "session_busy": 409,
    "task_finished": 409,
    "task_running": 409,
    "idempotency_conflict": 409,
    "method_not_allowed": 405,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "payload_too_large": 413,
    "quota_exceeded": 429,
    "cooldown_active": 429,
    "rate_limit_exceeded": 429,
    "upstream_rate_limited": 429,
    "upstream_error": 502,
    "upstream_timeout": 504,
    "model_retired": 502,
    "overloaded": 503,
    "service_unavailable": 503,
    "interrupted": 503,  # stands in items of tasks, never by itself
    "internal_error": 500,
}


class FieldProblem(msgspec.Struct, kw_only=True):
    """One wrong field."""

    field: str
    message: str
    type: str


class ProblemError(msgspec.Struct, kw_only=True):
    """The error once more, in the older shape."""

    code: str
    message: str
    details: dict[str, Any]


class Problem(msgspec.Struct, kw_only=True):
    """What every error looks like, `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    error: ProblemError
    success: bool = False


class RouteNotFound(LabError):
    """No route has this path."""

    code = "not_found"
    sentence = "There is nothing here."


class MethodNotAllowed(LabError):
    """The path exists, the method does not. `allow` lists those that do, for the header of that name."""

    code = "method_not_allowed"
    sentence = "This method is not allowed here."

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__()


class UnsupportedMediaType(LabError):
    """The body is of a type that this route does not read. Details: `accepted`."""

    code = "unsupported_media_type"
    sentence = "This content type is not accepted here; send {accepted}."


class PayloadTooLarge(LabError):
    """The body is over the limit."""

    code = "payload_too_large"
    sentence = "The request body is too large."


class RangeNotSatisfiable(LabError):
    """The Range header asks for bytes that do not exist. `size` is the whole length in bytes."""

    code = "range_not_satisfiable"
    sentence = "The requested range does not exist."

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__()


def problem_response(request: Request[Any, Any, Any], error: LabError) -> Response[Problem]:
    """The error as a client sees it, in the language it asked for."""
    status = STATUS_BY_CODE[error.code]
    language = language_of(request)
    detail = _detail(error, language)
    problem = Problem(
        type=f"urn:nano-banana-lab:error:{error.code}",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0] or request.url.path,
        code=error.code,
        request_id=request_id_of(request.scope),
        error=ProblemError(code=error.code, message=detail, details=_details(error, language)),
    )
    return Response(
        problem,
        status_code=status,
        media_type="application/problem+json",
        headers={CONTENT_LANGUAGE: language, **_headers(request, error, status)},
    )


def language_of(request: Request[Any, Any, Any]) -> Language:
    """The language in which this client is answered."""
    lines = request.headers.getall("accept-language", [])
    return negotiate(",".join(lines), request.app.state.default_language)


def lab_error(request: Request[Any, Any, Any], error: LabError) -> Response[Problem]:
    """Exception handler for the errors of the core."""
    if error.code == LabError.code:
        return unexpected(request, error)
    return problem_response(request, error)


def framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Exception handler for what Litestar itself refuses."""
    match error.status_code:
        case 404:
            problem: LabError = RouteNotFound()
        case 405:
            allow = (error.headers or {}).get("allow", "")
            problem = MethodNotAllowed(allow.replace("GET", "GET, HEAD"))  # the envelope answers HEAD wherever GET is
        case 413:
            problem = PayloadTooLarge()
        case 400:
            problem = ValidationFailed(from_litestar(error, request.scope.get("route_handler")))
        case 500 if error.detail == "client disconnected prematurely":  # nobody is left to read the answer
            problem = ValidationFailed.of("body", "incomplete")
        case _:
            return unexpected(request, error)
    return problem_response(request, problem)


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Exception handler for bugs: the log has the trace, the client the id to find it by."""
    logger.error("unexpected error", exc_info=error, extra={"path": request.scope["path"]})
    return problem_response(request, LabError())


def _detail(error: LabError, language: Language) -> str:
    """One sentence for people; of what is wrong with a field, after its name."""
    if isinstance(error, ValidationFailed):
        found = [_field_problem(each, language) for each in error.errors]
        return " ".join(f"{each.field}: {each.message}" if each.field else each.message for each in found)
    told = sentence(error, language)
    return f"{error.details['field']}: {told}" if error.details.get("field") else told


def _details(error: LabError, language: Language) -> dict[str, Any]:
    if isinstance(error, ValidationFailed):
        return {"errors": [_field_problem(each, language) for each in error.errors]}
    return error.details


def _field_problem(error: FieldError, language: Language) -> FieldProblem:
    return FieldProblem(field=error.field, message=field_message(error, language), type=error.type)


def _headers(request: Request[Any, Any, Any], error: LabError, status: int) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    elif status == 503:
        headers["Retry-After"] = "5"
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    if isinstance(error, AuthenticationFailed):
        headers["WWW-Authenticate"] = _challenge(request, error)
    if isinstance(error, ScopeMissing):  # RFC 6750 section 3.1
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, UnsupportedMediaType):
        headers["Accept"] = str(error.details["accepted"])
    if request.method == "HEAD":
        headers["Content-Type"] = "application/problem+json"
    return headers


def _challenge(request: Request[Any, Any, Any], error: AuthenticationFailed) -> str:
    """A client that sent a token learns that this is what does not hold (RFC 6750 section 3)."""
    token_refused = bearer_token(request) and not isinstance(error, SignInFailed)
    return 'Bearer error="invalid_token"' if token_refused else "Bearer"


EXCEPTION_HANDLERS: dict[Any, Any] = {
    LabError: lab_error,
    HTTPException: framework_error,
    Exception: unexpected,
}
