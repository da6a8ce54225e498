"""The JSON of a successful answer, and of the five ways to succeed without a picture (GEMINI.md sections 1.2, 1.3, 4)."""

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from nano_banana_lab.testing.gemini import pictures, signatures
from nano_banana_lab.testing.gemini.models import MODELS, pixels
from nano_banana_lab.testing.gemini.requests import ReadBody, instruction_of, prompt_of
from nano_banana_lab.testing.gemini.writing import written

_BIG = 19_500_000
_NOT_CHARGED = (
    "Unable to show the generated image. The model could not generate the image based on the prompt provided. "
    "You will not be charged for this request. Try rephrasing the prompt."
)
_VIOLATION = (
    "Unable to show the generated image because it may violate Google's Responsible AI practices. "
    "Support code: 42876398."
)
_THIRD_PARTY = (
    "Unable to show the generated image due to interests of third-party content providers. Support code: 35561574."
)
_RATINGS = [
    {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "HIGH", "blocked": True},
    {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"},
]
_GROUNDING = {
    "webSearchQueries": ["euro 2024 final score"],
    "imageSearchQueries": ["berlin olympic stadium"],
    "searchEntryPoint": {"renderedContent": "<style>.c{color:#1a73e8}</style><div class='c'>euro 2024 final</div>"},
    "groundingChunks": [
        {"web": {"uri": "https://vertexaisearch.cloud.google.com/grounding-api-redirect/A1", "title": "uefa.com"}},
        {
            "image": {
                "sourceUri": "https://example.com/stadium",
                "imageUri": "https://example.com/s.jpg",
                "title": "Berlin",
            }
        },
    ],
    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 4, "text": "Here"}, "groundingChunkIndices": [0]}],
}
_WITHOUT_PICTURE: dict[str, dict[str, Any]] = {
    "no-image": {"finishReason": "NO_IMAGE"},
    "image-other": {"content": {}, "finishReason": "IMAGE_OTHER", "finishMessage": _NOT_CHARGED},
    "blocked": {
        "content": {"parts": None},
        "finishReason": "IMAGE_SAFETY",
        "finishMessage": _VIOLATION,
        "safetyRatings": _RATINGS,
    },
    "prohibited": {
        "content": {"role": "model"},
        "finishReason": "IMAGE_PROHIBITED_CONTENT",
        "finishMessage": _THIRD_PARTY,
    },
    "recitation": {"content": {}, "finishReason": "IMAGE_RECITATION", "finishMessage": _THIRD_PARTY},
    "refusal": {"content": {"parts": [{"text": "I can't create that picture."}]}, "finishReason": "STOP"},
    "empty-parts": {"content": {"role": "model", "parts": []}, "finishReason": "STOP"},
    "data-uri": {
        "content": {"parts": [{"text": "Here: data:image/png;base64,iVBORw0KGgo="}]},
        "finishReason": "STOP",
    },
    "max-tokens": {"content": {"parts": [{"text": "Let me think about"}]}, "finishReason": "MAX_TOKENS"},
    "missing-signature": {"content": {}, "finishReason": "MISSING_THOUGHT_SIGNATURE"},
    "continuation": {
        "content": {"role": "model", "parts": [{"text": "To be continued"}]},
        "finishReason": "CONTINUATION",
        "continuationToken": "next",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What an answer depends on: the request, who sent it, and the markers that apply."""

    model: str
    key: str
    body: ReadBody
    markers: dict[str, str]

    @property
    def size(self) -> str:
        return str(self._image.get("imageSize") or "1K")

    @property
    def ratio(self) -> str:
        return str(self._image.get("aspectRatio") or "1:1")

    @property
    def wants_thoughts(self) -> bool:
        return bool((self._config.get("thinkingConfig") or {}).get("includeThoughts"))

    @property
    def wants_pictures(self) -> bool:
        modalities = [str(name).upper() for name in self._config.get("responseModalities") or ["TEXT", "IMAGE"]]
        return bool(MODELS[self.model].sizes) and "IMAGE" in modalities

    @property
    def wants_search(self) -> bool:
        return any("googleSearch" in tool for tool in self.body.json.get("tools") or [])

    @property
    def schema(self) -> dict[str, Any] | None:
        return self._config.get("responseJsonSchema") or self._config.get("responseSchema")

    @property
    def _config(self) -> dict[str, Any]:
        return self.body.json.get("generationConfig") or {}

    @property
    def _image(self) -> dict[str, Any]:
        return self._config.get("imageConfig") or {}


def answer_to(question: Question) -> dict[str, Any]:
    """The whole body of a 200."""
    marks = question.markers
    if "prompt-blocked" in marks:
        feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": _RATINGS}
        return {"promptFeedback": feedback, "usageMetadata": _usage(question, 0), "modelVersion": question.model}
    refused = next((_WITHOUT_PICTURE[name] for name in marks if name in _WITHOUT_PICTURE), None)
    if "no-image-finish" in marks:
        refused = {"content": {}, "finishReason": marks["no-image-finish"]}
    if refused is not None:
        return _enclosed(question, {**refused, "index": 0}, 0)
    parts = _parts(question)
    return _enclosed(
        question, _candidate(question, parts), sum("inlineData" in part and "thought" not in part for part in parts)
    )


def _enclosed(question: Question, candidate: dict[str, Any], images: int) -> dict[str, Any]:
    body = {
        "candidates": [candidate],
        "usageMetadata": _usage(question, images),
        "modelVersion": question.model,
        "responseId": secrets.token_urlsafe(16),
    }
    if "retiring" in question.markers:
        status = {"modelStage": "DEPRECATED", "retirementTime": "2027-01-31T00:00:00Z", "message": "Use another model."}
        body["modelStatus"] = status
    return body


def _candidate(question: Question, parts: list[dict[str, Any]]) -> dict[str, Any]:
    marks = question.markers
    reason = "SOMETHING_NEW" if "unknown-finish" in marks else marks.get("finish", "STOP")
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
    if question.wants_search or "grounding" in marks:
        candidate["groundingMetadata"] = _GROUNDING
    if "odd-footnotes" in marks:
        candidate |= {"groundingMetadata": "none", "safetyRatings": {"a": 1}, "finishMessage": 7}
    return candidate


def _parts(question: Question) -> list[dict[str, Any]]:
    marks, words = question.markers, question.markers.get("say") or "Here is your picture."
    if not question.wants_pictures:
        thinking = [{"text": "**Composing**", "thought": True}] if "thoughts" in marks else []
        return [*thinking, {"text": _json(question) if question.schema and "say" not in marks else words}]
    if "thought-image" in marks:
        return [{**_picture(question, "thought"), "thought": True}, {"text": "I could not finish."}]
    drafts = ["draft 1", "draft 2"] if "three-images" in marks else []
    shown = [_signed(question, {"text": words})] if "no-text" not in marks else []
    shown += [_signed(question, _picture(question, label)) for label in [*drafts, "final"]]
    after = [{"text": " Do you like it?"}] if "text-after" in marks else []
    thinks = question.wants_thoughts or "thoughts" in marks
    return [*(_thoughts(question) if thinks else []), *shown, *after]


def _json(question: Question) -> str:
    body = question.body.json
    return written(
        question.schema or {}, instruction=instruction_of(body), material=prompt_of(body), markers=question.markers
    )


def _thoughts(question: Question) -> list[dict[str, Any]]:
    sketch = _picture(question, "thought")
    return [{"text": "**Composing**", "thought": True}, {**sketch, "thought": True}]


def _picture(question: Question, label: str) -> dict[str, Any]:
    marks, size = question.markers, pixels(question.ratio, question.size)
    name = "|".join([question.model, prompt_of(question.body.json), *question.body.pictures, label])
    if "unreadable" in marks:
        return {"inlineData": {"mimeType": "image/jpeg", "data": b"this is no picture"}}
    if "png" in marks:
        return {"inlineData": {"mimeType": "image/png", "data": pictures.png(size, name)}}
    data = pictures.jpeg(size, name, padding=_BIG if "big" in marks else int(marks.get("weight") or 0))
    return {"inlineData": {"mimeType": "image/png" if "mislabelled" in marks else "image/jpeg", "data": data}}


def _signed(question: Question, part: dict[str, Any]) -> dict[str, Any]:
    content = part["inlineData"]["data"] if "inlineData" in part else part["text"].encode()
    signature = signatures.issue(question.key, question.model, content)
    if "urlsafe" not in question.markers:
        return {**part, "thoughtSignature": signature}
    return {**_url_safe(part), "thoughtSignature": _url_safe_text(signature)}


def _url_safe(part: dict[str, Any]) -> dict[str, Any]:
    inline = part.get("inlineData")
    return {**part, "inlineData": {**inline, "data": _url_safe_text(inline["data"])}} if inline else part


def _url_safe_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _usage(question: Question, images: int) -> Any:
    """With Google's quirks: more candidate tokens than their details list, and a refusal counts its thoughts twice."""
    if "odd-footnotes" in question.markers:
        return ["unknown"]
    prompt = 2 + len(prompt_of(question.body.json)) // 4 + 560 * len(question.body.pictures)
    details = images * (2000 if question.size == "4K" else 1120)
    thoughts = 748
    candidates = details + 324 if images else thoughts
    usage = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + thoughts + (candidates if images else 0),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    return usage | ({"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": details}]} if images else {})
