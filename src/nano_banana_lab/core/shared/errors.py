"""The error family of the lab: one root, one subclass per reason a caller can act on.

LabError
 ├── ValidationFailed        a field of the input is malformed or out of range
 ├── NotFound                nothing of that name, or it belongs to somebody else
 ├── StoreUnavailable        a store is unreachable or hangs                (core/storage)
 ├── AuthenticationFailed    no token, or one that does not hold            (core/identity)
 ├── NotAllowed              known, but not allowed                         (core/identity)
 ├── SignInUnavailable       nobody can sign in right now                   (core/identity)
 ├── TrialRefused            the trial does not pay for this now            (core/quota)
 ├── SealBroken              a kept key cannot be read any more             (core/identity)
 ├── TooMuch                 one caller asks for more than is good for all
 ├── TaskNotFound ...        of a task, and why it cannot be stopped or tried again now  (core/tasks)
 ├── QueueUnavailable        the queue or the board of events is away       (core/tasks)
 └── GenerationError         a picture was asked for and none was kept      (core/generation)

Errors are declared beside the port or use case that raises them.
Each has a stable `code`, one English `sentence` that may name its details, and the `details` that a client receives.
The sentence is also the key under which a translation is filed (`http/messages/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec


class LabError(Exception):
    """Something a caller should know about, safe to show: no secret and no upstream body is ever in it.

    `details` are JSON-ready and reach the client; the same names fill the sentence's placeholders.
    `words` are what the sentence says for a detail that is meant for machines: in English, and translated like sentences.
    """

    code: ClassVar[str] = "internal_error"
    sentence: ClassVar[str] = "Something went wrong on our side."
    words: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **details: Any) -> None:
        self.details: dict[str, Any] = {name: value for name, value in details.items() if value is not None}
        super().__init__(self.sentence.format_map(_Blanks(self.details)))


def family(error: type[LabError] = LabError) -> Iterator[type[LabError]]:
    """The error and all that are declared below it, each after the one it is more special than."""
    found = [error]
    for each in found:
        yield each
        found += each.__subclasses__()


class _Blanks(dict[str, Any]):
    """Leaves a placeholder without a value empty instead of failing while an error is being reported."""

    def __missing__(self, key: str) -> str:
        return ""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field of the input.

    `field` is the path a client wrote, such as `settings.aspect_ratio`; empty for the input as a whole.
    `type` is stable and machine-readable; `limits` fill the placeholders of the sentence filed for that type.
    """

    field: str
    type: str
    limits: Mapping[str, str | int] = {}

    @property
    def message(self) -> str:
        """The sentence for this type, in English."""
        return FIELD_SENTENCES[self.type].format_map(self.limits)


FIELD_SENTENCES: Mapping[str, str] = {
    "missing": "This field is required.",
    "wrong_type": "Expected {expected}, got {got}.",
    "invalid_json": "The body is not valid JSON.",
    "invalid_form": "The body is not valid multipart/form-data.",
    "incomplete": "The body ended too early.",
    "blank": "This field must not be empty.",
    "too_long": "At most {most} characters are allowed.",
    "too_short": "At least {least} characters are needed.",
    "too_small": "This must be {least} or more.",
    "too_large": "This must be {most} or less.",
    "too_few": "At least {least} entries are needed.",
    "too_many": "At most {most} entries are allowed.",
    "unknown_choice": "This must be one of: {choices}.",
    "unsupported_choice": "The model {model} offers only: {choices}.",
    "bad_cursor": "This cursor was not issued for this list.",
    "bad_time": "Expected an RFC 3339 time such as 2026-11-22T14:03:05Z.",
    "bad_characters": "This must be printable ASCII.",
    "no_search": "The model {model} cannot search the web.",
    "too_much_data": "All pictures together may have at most {most} bytes.",
    "style_missing": "A style needs a description or a picture.",
    "one_of": "Exactly one of these is needed: {choices}.",
    "bad_base64": "This is not base64, nor a data URL with base64 in it.",
    "not_unicode": "This is not valid Unicode.",
    "redirect_not_allowed": "This address is not on the list of allowed redirects.",
    "sent_twice": "Send this header once.",
    "used_for_another_request": "This key was used for another request before; send a new one.",
    "invalid": "This value is not valid.",
}
"""Every way a field can be wrong, in English; the sentences are the keys of the translations."""

EITHER = " or "
FIELD_WORDS: Mapping[str, str] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "null": "null",
}
"""What the sentences say for the types of JSON; a field that takes several has them with `EITHER` in between."""


class ValidationFailed(LabError):
    """The input cannot be used as it is. Nothing was done; `errors` names every field that must change."""

    code = "validation_error"
    sentence = "The request is not valid; see the listed fields."

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__()

    @classmethod
    def of(cls, field: str, type: str, **limits: str | int) -> "ValidationFailed":
        """The common case: exactly one field is wrong."""
        return cls([FieldError(field=field, type=type, limits=limits)])

    def __str__(self) -> str:
        return " ".join(f"{error.field}: {error.message}" for error in self.errors)


class NotFound(LabError):
    """There is nothing of that name, or it belongs to another owner; the two are never told apart."""

    code = "not_found"
    sentence = "There is nothing here."


class TooMuch(LabError):
    """One caller asks for more than is good for all. `retry_after`, in seconds, says when it may be asked for again."""

    code = "rate_limit_exceeded"
    sentence = "Too many requests; please try again in {retry_after} seconds."
    retry_after: float
