"""From the JSON of a 200 to a picture, or to the reason why there is none (GEMINI.md sections 1.2, 1.3 and 4).

What a picture needs is read strictly; everything around it leniently,
because an odd footnote is no reason to lose a picture that has been paid for.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nano_banana_lab.adapters.gemini.footnotes import grounding_of, ratings_of, text_or_none, usage_of
from nano_banana_lab.adapters.gemini.inline_data import bytes_in, picture_type
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import Part, PicturePart, TextPart
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    NoImage,
    UpstreamFailed,
    UpstreamRejected,
)

_log = logging.getLogger(__name__)

BLOCKED = frozenset(
    {
        "SAFETY",
        "IMAGE_SAFETY",
        "PROHIBITED_CONTENT",
        "IMAGE_PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    }
)
"""Finish reasons that mean a filter said no; every other one without a picture is `NoImage`."""

_LONGEST_TEXT = 2000


class _InlineData(msgspec.Struct, frozen=True, rename="camel"):
    data: msgspec.Raw = msgspec.Raw()
    mime_type: Any = None


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    inline_data: _InlineData | None = None
    text: Any = None
    thought: Any = None
    thought_signature: msgspec.Raw = msgspec.Raw()


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: _Content | None = None
    finish_reason: Any = None
    finish_message: Any = None
    safety_ratings: Any = None
    grounding_metadata: Any = None


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: Any = None
    model_version: Any = None
    model_status: Any = None
    response_id: Any = None


def read_answer(body: bytes | bytearray, *, model: str, include_thinking: bool) -> GeneratedImage:
    """The picture in an answer. Takes tens of milliseconds for 26 MB: call it off the event loop.

    Raises one `GenerationError` for whatever is not a picture, and nothing else.
    """
    answer = _decoded(body)
    _announce_retirement(model, answer.model_status)
    candidate = answer.candidates[0] if answer.candidates else _Candidate()
    parts = tuple(_parts_of(candidate))
    picture = next((part for part in reversed(parts) if isinstance(part, PicturePart)), None)
    if picture is None:
        raise _refusal(answer, candidate, _joined(parts))
    if picture_type(picture.data) is None:
        raise UpstreamFailed(reason="unreadable_picture")
    return GeneratedImage(
        data=picture.data,
        mime_type=picture.mime_type,
        model=model,
        model_version=text_or_none(answer.model_version) or model,
        text=_joined(parts),
        thinking=_thoughts(candidate) if include_thinking else None,
        usage=usage_of(answer.usage_metadata, candidate.grounding_metadata),
        grounding=grounding_of(candidate.grounding_metadata),
        safety_ratings=ratings_of(candidate.safety_ratings),
        finish_reason=text_or_none(candidate.finish_reason) or "STOP",
        parts=parts,
        details=_details(answer, candidate),
    )


def _decoded(body: bytes | bytearray) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (ValueError, RecursionError) as error:
        failure = UpstreamFailed(reason="unreadable_answer")
        _log.warning("Gemini answered 200 with %d bytes that are no answer (%s).", len(body), type(error).__name__)
    raise failure


def _parts_of(candidate: _Candidate) -> Iterator[Part]:
    for part in _raw_parts(candidate):
        if part.thought is True:
            continue
        signature = bytes_in(part.thought_signature) or None
        data = bytes_in(part.inline_data.data) if part.inline_data else None
        if part.inline_data and data:
            mime_type = picture_type(data) or text_or_none(part.inline_data.mime_type) or "application/octet-stream"
            yield PicturePart(data=data, mime_type=mime_type, signature=signature)
        elif isinstance(part.text, str):
            yield TextPart(text=part.text, signature=signature)


def _raw_parts(candidate: _Candidate) -> Sequence[_Part]:
    return (candidate.content.parts if candidate.content else None) or ()


def _joined(parts: Sequence[Part]) -> str | None:
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    return text if text.strip() else None


def _thoughts(candidate: _Candidate) -> str | None:
    thoughts = (part.text for part in _raw_parts(candidate) if part.thought is True and isinstance(part.text, str))
    text = "\n".join(thoughts)
    return text if text.strip() else None


def _refusal(answer: _Answer, candidate: _Candidate, text: str | None) -> GenerationError:
    """Which error an answer without a picture is; each of the five shapes of GEMINI.md section 4 is exactly one."""
    reason = text_or_none(candidate.finish_reason)
    message = text_or_none(candidate.finish_message)
    feedback = answer.prompt_feedback if isinstance(answer.prompt_feedback, Mapping) else {}
    if blocked := text_or_none(feedback.get("blockReason")):
        return _blocked(blocked, feedback.get("safetyRatings"), text_or_none(feedback.get("blockReasonMessage")))
    if reason in BLOCKED:
        return _blocked(reason, candidate.safety_ratings, message)
    if reason == "MISSING_THOUGHT_SIGNATURE":
        return UpstreamRejected(upstream_code=reason, reason="thought_signature")
    said = text or message
    return NoImage(text=said[:_LONGEST_TEXT] if said else None, finish_reason=reason)


def _blocked(reason: str, ratings: Any, message: str | None) -> ContentBlocked:
    listed = [msgspec.to_builtins(rating) for rating in ratings_of(ratings)]
    return ContentBlocked(reason=reason, safety_ratings=listed, message=message[:_LONGEST_TEXT] if message else None)


def _details(answer: _Answer, candidate: _Candidate) -> dict[str, str]:
    found = {
        "response_id": text_or_none(answer.response_id),
        "finish_message": text_or_none(candidate.finish_message),
    }
    return {name: value for name, value in found.items() if value}


def _announce_retirement(model: str, status: Any) -> None:
    if isinstance(status, Mapping) and (status.get("retirementTime") or status.get("message")):
        _log.warning(
            "Google announces for %s: stage %s, retirement %s. %s",
            model,
            status.get("modelStage"),
            status.get("retirementTime"),
            status.get("message", ""),
        )
