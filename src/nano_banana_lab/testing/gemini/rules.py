"""What Google refuses before it makes anything."""

from collections.abc import Iterator
from typing import Any

from nano_banana_lab.testing.gemini import refusals, signatures
from nano_banana_lab.testing.gemini.models import MODELS, RETIRED, ServedModel
from nano_banana_lab.testing.gemini.refusals import Refusal
from nano_banana_lab.testing.gemini.requests import ReadBody, contents_of, decoded
from nano_banana_lab.testing.gemini.scenarios import MEANINGS

_MOST_PICTURES = 14
_LEAST_SERVER_SECONDS = 10


def about_key(key: str | None) -> Refusal | None:
    """What is wrong with a key; any key but `invalid` and `leaked` is good."""
    if not key:
        return refusals.NO_KEY
    return {"invalid": refusals.BAD_KEY, "leaked": refusals.LEAKED_KEY}.get(key)


def about_model(model: str, version: str) -> Refusal | None:
    """Whether a model is gone or was never there."""
    return refusals.unknown_model(model, version) if model in RETIRED or model not in MODELS else None


def about_deadline(seconds: str | None) -> Refusal | None:
    """Whether `X-Server-Timeout` is too short."""
    if seconds is None or float(seconds) >= _LEAST_SERVER_SECONDS:
        return None
    return refusals.invalid(
        f"Manually set deadline {seconds}s is too short. Minimum allowed deadline is {_LEAST_SERVER_SECONDS}s."
    )


def about_body(body: ReadBody, key: str, model: str) -> Refusal | None:
    """The first thing wrong with a request for this model."""
    return next(_objections(body, key, model), None)


def about_markers(names: dict[str, str]) -> Refusal | None:
    """A marker nobody knows is a mistake in a test, not a prompt."""
    unknown = sorted(names.keys() - MEANINGS.keys())
    return refusals.invalid(f"The double knows no marker {', '.join(unknown)}; GET / lists them.") if unknown else None


def _objections(body: ReadBody, key: str, model: str) -> Iterator[Refusal]:
    config = body.json.get("generationConfig") or {}
    image, served = config.get("imageConfig") or {}, MODELS[model]
    if not contents_of(body.json):
        yield refusals.invalid("* GenerateContentRequest.contents: contents is not specified")
    if not _is_offered(image, served) or sum(1 for _ in _pictures(body)) > _MOST_PICTURES:
        yield refusals.invalid()
    if not served.search and any("googleSearch" in tool for tool in body.json.get("tools") or []):
        yield refusals.invalid("Search as tool is not enabled for this model")
    yield from _form_objections(config, model)
    for position, content in enumerate(contents_of(body.json), start=1):
        if content.get("role") == "model":
            yield from _signature_objections(body, key, model, position, content.get("parts") or [])


def _form_objections(config: dict[str, Any], model: str) -> Iterator[Refusal]:
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name)]
    is_json = config.get("responseMimeType") == "application/json"
    if MODELS[model].sizes and (schemas or is_json):
        yield refusals.invalid(f"JSON mode is not enabled for models/{model}")
    if len(schemas) > 1 or (schemas and not is_json):
        yield refusals.invalid()
    if deprecated := sorted({"temperature", "topP", "topK"} & config.keys()):
        yield refusals.invalid(f"{', '.join(deprecated)} is not supported for this model.")


def _is_offered(image: dict[str, Any], served: ServedModel) -> bool:
    size, ratio = image.get("imageSize"), image.get("aspectRatio")
    return (size is None or size in served.sizes) and (ratio is None or ratio in served.ratios)


def _pictures(body: ReadBody) -> Iterator[dict[str, Any]]:
    for content in contents_of(body.json):
        yield from (part["inlineData"] for part in content.get("parts") or [] if "inlineData" in part)


def _signature_objections(
    body: ReadBody, key: str, model: str, position: int, parts: list[dict[str, Any]]
) -> Iterator[Refusal]:
    for number, part in _signed_parts(parts):
        signature = part.get("thoughtSignature")
        if not signature:
            yield refusals.missing_signature("Image" if "inlineData" in part else "Text", position, number)
        elif not signatures.holds(decoded(signature), key, model, _content(body, part)):
            yield refusals.WRONG_SIGNATURE


def _signed_parts(parts: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every picture, and the first text when it precedes the first picture; thoughts are never signed."""
    shown = [(number, part) for number, part in enumerate(parts, start=1) if not part.get("thought")]
    pictures = [(number, part) for number, part in shown if "inlineData" in part]
    if pictures and shown[0] != pictures[0]:
        yield shown[0]
    yield from pictures


def _content(body: ReadBody, part: dict[str, Any]) -> bytes:
    inline = part.get("inlineData")
    return body.pictures[inline["data"]] if inline else str(part.get("text", "")).encode()
