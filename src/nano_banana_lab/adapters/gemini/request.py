"""From the lab's requests to what google-genai is asked (GEMINI.md sections 1.1, 2 and 3)."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from google.genai import types

from nano_banana_lab.adapters.gemini.model_table import GeminiModel
from nano_banana_lab.adapters.gemini.question import Question
from nano_banana_lab.adapters.gemini.transport import Cargo
from nano_banana_lab.core.generation.image_request import ImageRequest, Part, PicturePart, SafetyLevel, Turn

_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
_THRESHOLDS = {
    SafetyLevel.STRICT: "BLOCK_LOW_AND_ABOVE",
    SafetyLevel.MODERATE: "BLOCK_MEDIUM_AND_ABOVE",
    SafetyLevel.RELAXED: "BLOCK_ONLY_HIGH",
    SafetyLevel.NONE: "BLOCK_NONE",
}
_ONE_CALL: Mapping[str, Any] = {
    # Left on, each would turn one call into several paid ones.
    "automatic_continuation": False,
    "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
    # The SDK's own reading of an answer drops `finishMessage`, the only reason given for a blocked picture.
    "should_return_http_response": True,
}


def cargo_of(request: ImageRequest) -> Cargo:
    """The pictures of all turns, in the order in which `contents_of` mentions them."""
    parts = (part for turn in request.turns for part in turn.parts)
    return Cargo(pictures=tuple(part.data for part in parts if isinstance(part, PicturePart)))


def contents_of(request: ImageRequest, cargo: Cargo) -> list[types.Content]:
    """The conversation, each signature on the part it came with and the cargo's marker in place of each picture."""
    return [_content(turn, cargo.marker) for turn in request.turns]


def config_of(request: ImageRequest, model: GeminiModel) -> types.GenerateContentConfig:
    """The settings: only fields the model knows, and none that Google has deprecated."""
    return types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(
            aspect_ratio=request.settings.aspect_ratio,
            image_size=request.settings.resolution.value if model.image_size else None,
        ),
        safety_settings=list(_safety_settings(request.settings.safety_level)),
        tools=[types.Tool(google_search=types.GoogleSearch())] if request.grounding else None,
        thinking_config=_thinking_config(request, model),
        **_ONE_CALL,
    )


def material_of(question: Question) -> types.Content:
    """The user's turn: JSON, in which whatever somebody typed stays between quotation marks."""
    return types.Content(role="user", parts=[types.Part(text=msgspec.json.encode(question.material).decode())])


def words_config_of(question: Question) -> types.GenerateContentConfig:
    """The settings for an answer in JSON and nothing else; no temperature, which Google has deprecated."""
    return types.GenerateContentConfig(
        system_instruction=question.instruction,
        response_mime_type="application/json",
        response_json_schema=question.schema,
        **_ONE_CALL,
    )


def _content(turn: Turn, marker: bytes) -> types.Content:
    return types.Content(role=turn.role.value, parts=[_part(part, marker) for part in turn.parts])


def _part(part: Part, marker: bytes) -> types.Part:
    if isinstance(part, PicturePart):
        blob = types.Blob(data=marker, mime_type=part.mime_type)
        return types.Part(inline_data=blob, thought_signature=part.signature)
    return types.Part(text=part.text, thought_signature=part.signature)


@cache
def _safety_settings(level: SafetyLevel) -> Sequence[types.SafetySetting]:
    threshold = types.HarmBlockThreshold(_THRESHOLDS[level])
    return [types.SafetySetting(category=types.HarmCategory(name), threshold=threshold) for name in _CATEGORIES]


def _thinking_config(request: ImageRequest, model: GeminiModel) -> types.ThinkingConfig | None:
    return types.ThinkingConfig(include_thoughts=True) if request.include_thinking and model.thinking else None
