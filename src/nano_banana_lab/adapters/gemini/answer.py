"""From the JSON of a 200 to a picture, or to the reason why there is none (GEMINI.md sections 1.2, 1.3 and 4).

What a picture needs is read strictly; everything around it leniently,
because an odd footnote is no reason to lose a picture that has been paid for.
"""

from collections.abc import Iterator, Sequence

from nano_banana_lab.adapters.gemini.envelope import (
    LONGEST_TEXT,
    Answer,
    Candidate,
    announce_retirement,
    answer_in,
    block_in,
    parts_of,
)
from nano_banana_lab.adapters.gemini.footnotes import grounding_of, ratings_of, text_or_none, usage_of
from nano_banana_lab.adapters.gemini.inline_data import bytes_in, picture_type
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import Part, PicturePart, TextPart
from nano_banana_lab.core.generation.ports import (
    GenerationError,
    NoImage,
    UpstreamFailed,
    UpstreamRejected,
)


def read_answer(body: bytes | bytearray, *, model: str, include_thinking: bool) -> GeneratedImage:
    """The picture in an answer. Takes tens of milliseconds for 26 MB: call it off the event loop.

    Raises one `GenerationError` for whatever is not a picture, and nothing else.
    """
    answer = _decoded(body)
    announce_retirement(model, answer.model_status)
    candidate = answer.candidate
    parts = tuple(_parts_of(candidate))
    picture = next((part for part in reversed(parts) if isinstance(part, PicturePart)), None)
    if picture is None:
        raise _refusal(answer, _joined(parts))
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


def _decoded(body: bytes | bytearray) -> Answer:
    answer = answer_in(body)
    if answer is None:
        raise UpstreamFailed(reason="unreadable_answer")
    return answer


def _parts_of(candidate: Candidate) -> Iterator[Part]:
    for part in parts_of(candidate):
        if part.thought is True:
            continue
        signature = bytes_in(part.thought_signature) or None
        data = bytes_in(part.inline_data.data) if part.inline_data else None
        if part.inline_data and data:
            mime_type = picture_type(data) or text_or_none(part.inline_data.mime_type) or "application/octet-stream"
            yield PicturePart(data=data, mime_type=mime_type, signature=signature)
        elif isinstance(part.text, str):
            yield TextPart(text=part.text, signature=signature)


def _joined(parts: Sequence[Part]) -> str | None:
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    return text if text.strip() else None


def _thoughts(candidate: Candidate) -> str | None:
    thoughts = (part.text for part in parts_of(candidate) if part.thought is True and isinstance(part.text, str))
    text = "\n".join(thoughts)
    return text if text.strip() else None


def _refusal(answer: Answer, text: str | None) -> GenerationError:
    """Which error an answer without a picture is; each of the five shapes of GEMINI.md section 4 is exactly one."""
    if blocked := block_in(answer):
        return blocked
    reason = text_or_none(answer.candidate.finish_reason)
    if reason == "MISSING_THOUGHT_SIGNATURE":
        return UpstreamRejected(upstream_code=reason, reason="thought_signature")
    said = text or text_or_none(answer.candidate.finish_message)
    return NoImage(text=said[:LONGEST_TEXT] if said else None, finish_reason=reason)


def _details(answer: Answer, candidate: Candidate) -> dict[str, str]:
    found = {
        "response_id": text_or_none(answer.response_id),
        "finish_message": text_or_none(candidate.finish_message),
    }
    return {name: value for name, value in found.items() if value}
