"""The forms in which Gemini is to answer with prompts: each as the schema it is given, and as what is read back.

What is read has exactly that form. Structured output keeps to it; what does not is no answer.
"""

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from nano_banana_lab.adapters.gemini.envelope import Answer, announce_retirement, answer_in, block_in, parts_of
from nano_banana_lab.core.prompts.ports import PromptDraft, UnusableAnswer

_log = logging.getLogger(__name__)

T = TypeVar("T")

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}


class WrittenDrafts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a call for new prompts."""

    prompts: list["WrittenDraft"]


class WrittenDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One new prompt."""

    text: str
    description: str
    tags: list[str]

    def as_draft(self) -> PromptDraft:
        return PromptDraft(text=self.text, description=self.description, tags=tuple(self.tags))


class WrittenText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a call for one better prompt."""

    prompt: str


class WrittenTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to a call for variations."""

    prompts: list[str]


def schema_of_drafts(count: int) -> Schema:
    return _object(prompts=_array(_object(text=_TEXT, description=_TEXT, tags=_array(_TEXT)), count))


def schema_of_text() -> Schema:
    return _object(prompt=_TEXT)


def schema_of_texts(count: int) -> Schema:
    return _object(prompts=_array(_TEXT, count))


def read_words(body: bytes | bytearray, form: type[T], *, model: str) -> T:
    """What the body of a 200 says, in this form.

    Raises `ContentBlocked` when a filter said no, and `UnusableAnswer` for all else.
    """
    answer = answer_in(body)
    if answer is None:
        raise UnusableAnswer
    announce_retirement(model, answer.model_status)
    if blocked := block_in(answer):
        raise blocked
    found = _decoded(_words(answer), form)
    if found is None or answer.candidate.finish_reason != "STOP":
        _log.warning("%s wrote no usable answer (finish reason %.40s).", model, answer.candidate.finish_reason)
        raise UnusableAnswer
    return found


def _words(answer: Answer) -> str:
    said = (part.text for part in parts_of(answer.candidate) if part.thought is not True)
    return "".join(text for text in said if isinstance(text, str))


def _decoded(words: str, form: type[T]) -> T | None:
    try:
        return msgspec.json.decode(words, type=form)
    except (ValueError, RecursionError):
        return None


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _array(items: Schema, count: int | None = None) -> Schema:
    exactly = {"minItems": count, "maxItems": count} if count is not None else {}
    return {"type": "array", "items": items, **exactly}
