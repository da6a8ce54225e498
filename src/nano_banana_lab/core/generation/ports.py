"""What generation needs from outside: a model that makes pictures, and the ways in which it can fail.

GenerationError
 ├── ContentBlocked          a safety filter said no
 ├── NoImage                 an answer without a picture
 ├── NoApiKey                nobody's key to pay with
 ├── InvalidApiKey           the key was refused
 ├── UpstreamRateLimited     too many calls, or out of budget
 ├── UpstreamFailed          the service failed, also after the retries
 ├── UpstreamTimeout         no answer before the deadline
 ├── UpstreamRejected        the service calls our request wrong
 ├── ModelRetired            the configured model no longer exists
 └── Overloaded              this process has no room for more     (core/generation/admission.py)
"""

from typing import ClassVar, Protocol

from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.shared.errors import LabError


class GenerationError(LabError):
    """A picture was asked for and none was kept, so nobody is charged."""

    code: ClassVar[str] = "upstream_error"
    sentence = "The image service failed."


class ContentBlocked(GenerationError):
    """Blocked by a safety filter; asking again the same way will not help.

    Details: `reason` (the service's own word), `safety_ratings` (list of category, probability, blocked),
    `message` (the service's explanation, when it gave one).
    """

    code = "content_blocked"
    sentence = "The image service's safety filter blocked this request ({reason}); please rephrase the prompt."


class NoImage(GenerationError):
    """The model answered without a picture. Details: `text` (what it said instead), `finish_reason`."""

    code = "no_image"
    sentence = "The model answered without a picture; please try again or rephrase the prompt."


class NoApiKey(GenerationError):
    """Neither the operator nor the caller brought a key."""

    code = "no_api_key"
    sentence = "No Google API key is configured; send your own in the X-API-Key header."


class InvalidApiKey(GenerationError):
    """The service refused the key."""

    code = "invalid_api_key"
    sentence = "Google refused the API key."


class UpstreamRateLimited(GenerationError):
    """The service counts too many calls, or the key's budget is spent. Never retried here.

    `retry_after` is in seconds when the service said how long to wait, else None;
    the detail `reason` is `rate`, `daily`, `spending_cap` or `paid_only`.
    """

    code = "upstream_rate_limited"
    sentence = "Google's limit for this API key is reached; please try again later."

    def __init__(self, *, retry_after: float | None = None, reason: str = "rate") -> None:
        self.retry_after = retry_after
        super().__init__(reason=reason)


class UpstreamFailed(GenerationError):
    """The service failed or could not be understood.

    Details: `upstream_status` (HTTP status, when there was one), else `reason`: `unreachable`, or for an answer that
    came but was no use `answer_lost`, `empty_answer`, `unreadable_answer`, `unreadable_picture`, `unusable_answer`.
    """


class UpstreamTimeout(GenerationError):
    """No picture before the deadline. Details: `timeout_seconds`."""

    code = "upstream_timeout"
    sentence = "The image service did not answer within {timeout_seconds} seconds."


class UpstreamRejected(GenerationError):
    """The service calls our request wrong or not allowed here.

    Details: `upstream_status`, `upstream_code`, and when it is known what is wrong `reason`:
    `thought_signature` (an earlier answer cannot be replayed), `input_image`, `location`.
    """

    sentence = "The image service did not accept the request."


class ModelRetired(GenerationError):
    """The configured model id is unknown to the service. Details: `model`, `successor` (when known)."""

    code = "model_retired"
    sentence = "The model {model} no longer exists; the operator needs to configure another one."


class ImageModel(Protocol):
    """A neural model that makes pictures, or something that stands in for one.

    MUST be safe to call from any number of tasks at once; keys of different requests MUST NOT mix.
    """

    @property
    def card(self) -> ModelCard:
        """What it can do and what it charges; does not change while the process runs."""
        ...

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        """Make one picture; with several in the answer, the last one that is not a thought.

        Retries only failures that cannot have been charged for or are known to pass, within one deadline
        for the whole call (its length depends on the resolution).
        MUST raise exactly one `GenerationError` for every answer that is not a picture.
        MUST NOT put a key, or the body of an upstream answer, into an error.
        When the calling task is cancelled the call ends at once.
        """
        ...

    async def check(self) -> None:
        """Return when the model can be reached with the operator's key; costs nothing.

        Raises `GenerationError` saying what is wrong.
        """
        ...

    async def warm_up(self) -> None:
        """Do ahead of the first request what makes it slow, such as imports; never fails, costs nothing."""
        ...
