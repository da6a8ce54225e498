"""What the document of the API cannot say, told to Schemathesis, which loads this file."""

import json
import os
import uuid
from typing import Any

import httpx
import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.core import NotSet
from schemathesis.core.failures import Failure

SIGN_IN = "/api/auth/"
ENDS_A_TOKEN = ("/api/auth/logout", "/api/auth/refresh")


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """What is valid by the document, and not by itself: a key of another request, and 1.0 where an integer is wanted."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    case.body = _with_integers(case.body)


DECIDED_BY_THE_LAB = {
    ("cursor", "bad_cursor"),  # only what a list has issued
    ("language", "unknown_choice"),  # what it has a library in
    ("aspect_ratio", "unsupported_choice"),  # what the model offers
    ("prompts", "too_many"),  # BATCH_MAX_PROMPTS
}
"""Fields, and why a value of theirs may be refused although the document allows it."""

RULES_BETWEEN_FIELDS = {"one_of", "too_few", "too_many", "style_missing", "bad_base64"}
"""Why pictures may be refused that are each right: a key or data (in base64), two for a blend, 14 in all."""


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Whether it is one: the document tells the form of values, and not which of them exist or go together."""
    if (
        failure.title == "SSE event violates schema"
    ):  # the document describes the stream, which is text, and not its events
        return False
    code, refusals = _refused(response)
    match code:
        case "invalid_image":  # any bytes are a file, few are a picture
            return False
        case "validation_error":
            return not refusals or not all(_is_ours(field, why) for field, why in refusals)
        case "service_unavailable":  # nobody signs in to this lab, as the contract says
            return not case.path.startswith(SIGN_IN)
    return not (failure.title == "Schema-violating request accepted" and (_is_file(case) or _is_left_out(case)))


def _is_ours(field: str, why: str) -> bool:
    name = field.rpartition(".")[2]
    return (name, why) in DECIDED_BY_THE_LAB or (
        ("image" in field or name == "style_prompt") and why in RULES_BETWEEN_FIELDS
    )


def _is_file(case: Case) -> bool:
    """What is called an invalid file may be a picture after all."""
    return case.media_type is not None and case.media_type.startswith(("image/", "multipart/"))


def _is_left_out(case: Case) -> bool:
    """Leaving out a body is called a violation, where it is optional too."""
    return isinstance(case.body, NotSet)


class Guest:
    """One guest asks for everything, and each request that ends its token is asked by a guest of its own."""

    _token = ""

    def get(self, case: Case, context: AuthContext) -> str:
        if case.path in ENDS_A_TOKEN:
            return self._new(case)
        self._token = self._token or self._new(case)
        return self._token

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"

    def _new(self, case: Case) -> str:
        answer = httpx.post(f"{case.operation.base_url}/api/auth/guest").raise_for_status()
        token: str = answer.json()["access_token"]
        return token


if os.environ.get("FUZZ_AS") == "guest":
    schemathesis.auth(refresh_interval=None)(Guest)


def _refused(response: Response) -> tuple[str, list[tuple[str, str]]]:
    """The code of the error, if it is one of ours, and each field that is refused with the reason."""
    try:
        problem = json.loads(response.content)
        errors = problem["error"]["details"].get("errors", [])
        return problem["code"], [(error["field"], error["type"]) for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no_code", []


def _with_integers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    return value
