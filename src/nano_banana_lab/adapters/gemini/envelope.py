"""What is around the content of every answer (GEMINI.md section 1.2), and how it tells that a filter said no."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nano_banana_lab.adapters.gemini.footnotes import ratings_of, text_or_none
from nano_banana_lab.core.generation.ports import ContentBlocked

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
"""Finish reasons that mean a filter said no; every other one only says how the answer ended."""

LONGEST_TEXT = 2000
"""Characters of the service's own words that an error repeats."""


class InlineData(msgspec.Struct, frozen=True, rename="camel"):
    """A picture, as undecoded base64."""

    data: msgspec.Raw = msgspec.Raw()
    mime_type: Any = None


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """Words or a picture, or a thought of either kind."""

    inline_data: InlineData | None = None
    text: Any = None
    thought: Any = None
    thought_signature: msgspec.Raw = msgspec.Raw()


class Content(msgspec.Struct, frozen=True):
    """What was said; its parts may be missing or null."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    """One answer of those that could be asked for, and how it ended."""

    content: Content | None = None
    finish_reason: Any = None
    finish_message: Any = None
    safety_ratings: Any = None
    grounding_metadata: Any = None


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """The whole body; whatever nothing depends on may have any type."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: Any = None
    model_version: Any = None
    model_status: Any = None
    response_id: Any = None

    @property
    def candidate(self) -> Candidate:
        """The first one, or one that says nothing."""
        return self.candidates[0] if self.candidates else Candidate()


def answer_in(body: bytes | bytearray) -> Answer | None:
    """The answer in the body of a 200; None, which is logged, when there is none."""
    try:
        return msgspec.json.decode(body, type=Answer)
    except (ValueError, RecursionError) as error:
        _log.warning("Gemini answered 200 with %d bytes that are no answer (%s).", len(body), type(error).__name__)
    return None


def parts_of(candidate: Candidate) -> Sequence[Part]:
    return (candidate.content.parts if candidate.content else None) or ()


def block_in(answer: Answer) -> ContentBlocked | None:
    """The error, when a filter refused the prompt or the answer."""
    candidate = answer.candidate
    feedback = answer.prompt_feedback if isinstance(answer.prompt_feedback, Mapping) else {}
    if blocked := text_or_none(feedback.get("blockReason")):
        return _blocked(blocked, feedback.get("safetyRatings"), text_or_none(feedback.get("blockReasonMessage")))
    reason = text_or_none(candidate.finish_reason)
    if reason in BLOCKED:
        return _blocked(reason, candidate.safety_ratings, text_or_none(candidate.finish_message))
    return None


def _blocked(reason: str, ratings: Any, message: str | None) -> ContentBlocked:
    listed = [msgspec.to_builtins(rating) for rating in ratings_of(ratings)]
    return ContentBlocked(reason=reason, safety_ratings=listed, message=message[:LONGEST_TEXT] if message else None)


def announce_retirement(model: str, status: Any) -> None:
    """Log what Google says about the end of a model, if anything."""
    if isinstance(status, Mapping) and (status.get("retirementTime") or status.get("message")):
        _log.warning(
            "Google announces for %s: stage %s, retirement %s. %s",
            model,
            status.get("modelStage"),
            status.get("retirementTime"),
            status.get("message", ""),
        )
