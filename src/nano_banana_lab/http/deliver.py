"""One picture for a request: now, or later for whoever would rather not wait (`Prefer: respond-async`, RFC 7240)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, OpenAPIType, Parameter, Schema

from nano_banana_lab.core.generation.commission import CarryOut, Commission
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.tasks.submit_task import SubmitTask
from nano_banana_lab.http import examples
from nano_banana_lab.http.generated import GeneratedBody
from nano_banana_lab.http.idempotency import IdempotentOperation
from nano_banana_lab.http.openapi import answer
from nano_banana_lab.http.picture_urls import PictureUrls
from nano_banana_lab.http.task_bodies import SubmittedBody

PREFER = "Prefer"
RESPOND_ASYNC = "respond-async"

_QUOTED = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_PREFERENCES = re.compile(rf'(?:{_QUOTED}|[^",])+')
_BEFORE_PARAMETERS = re.compile(rf'(?:{_QUOTED}|[^";])*')
_BLANKS = " \t"


@dataclass(frozen=True, kw_only=True)
class Deliver:
    """Carries a commission out, or submits it as a task of one item and answers at once."""

    carry_out: CarryOut
    submit: SubmitTask
    urls: PictureUrls

    async def __call__(
        self,
        request: Request[Any, Any, Any],
        caller: Caller,
        commission: Commission,
        body: type[GeneratedBody] = GeneratedBody,
    ) -> Response[Any]:
        """Raises what `CarryOut` and `SubmitTask` raise."""
        if not prefers_async(request.headers.getall(PREFER, [])):
            return Response(body.of(await self.carry_out(caller, commission), self.urls))
        task = await self.submit(caller, [commission])
        headers = {"Location": f"/api/generate/task/{task.id}", "Preference-Applied": RESPOND_ASYNC}
        return Response(SubmittedBody.of(task), status_code=202, headers=headers)


def prefers_async(lines: Sequence[str]) -> bool:
    """Whether `respond-async` is among the preferences in these lines of the header (RFC 7240 section 2).

    What stands in a quoted string is nobody's preference; of one that is named twice the first counts,
    and an empty value is none. A string that is never closed goes on to the end of its line.
    """
    preferences = [_preference(each) for line in lines for each in _PREFERENCES.findall(line)]
    return next((value in ("", '""') for name, value in preferences if name == RESPOND_ASYNC), False)


def _preference(text: str) -> tuple[str, str]:
    """Name and value, without its parameters."""
    told = _BEFORE_PARAMETERS.match(text)
    assert told is not None  # it also matches nothing
    name, _, value = told[0].partition("=")
    return name.strip(_BLANKS).lower(), value.strip(_BLANKS)


ACCEPTED: dict[int, ResponseSpec] = answer(
    SubmittedBody, "With `Prefer: respond-async`: the task that makes the picture", examples.ACCEPTED, status=202
)
"""The documented answer of a route that delivers later."""


class DeliveryOperation(IdempotentOperation):
    """The description of an operation that delivers now or later."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [*(self.parameters or []), _prefer_parameter()]
        accepted = cast("OpenAPIResponse", (self.responses or {})["202"])
        accepted.headers = {**(accepted.headers or {}), **_headers()}


def _prefer_parameter() -> Parameter:
    return Parameter(
        name=PREFER,
        param_in="header",
        required=False,
        description="`respond-async`: do not wait for the picture, but answer 202 with the task that makes it.",
        schema=Schema(type=OpenAPIType.STRING, examples=[RESPOND_ASYNC]),
    )


def _headers() -> dict[str, Any]:
    text = Schema(type=OpenAPIType.STRING)
    return {
        "Location": OpenAPIHeader(description="Where to look how far the task has come.", schema=text),
        "Preference-Applied": OpenAPIHeader(description=f"`{RESPOND_ASYNC}`", schema=text),
    }
