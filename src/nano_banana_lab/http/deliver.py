"""One picture for a request: now, or later for whoever would rather not wait (`Prefer: respond-async`, RFC 7240)."""

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


def prefers_async(lines: list[str]) -> bool:
    """Whether one of the preferences in these lines of the header is `respond-async`."""
    preferences = (preference.partition(";")[0].strip() for line in lines for preference in line.split(","))
    return any(preference.lower() == RESPOND_ASYNC for preference in preferences)


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
