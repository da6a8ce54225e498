"""What an answer says beside its picture: tokens, web sources, safety ratings.

Read from whatever JSON is there: what is missing or odd counts as not said.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nano_banana_lab.core.generation.generated_image import SafetyRating, Usage
from nano_banana_lab.core.history.grounding import Grounding, Source

_MOST_TOKENS = 100_000_000
"""More than any call can have; what claims more is not a count."""


def usage_of(usage: Any, grounding: Any = None) -> Usage:
    """The model's own counts (GEMINI.md section 1.3)."""
    said = _mapping(usage)
    details = said.get("candidatesTokensDetails")
    return Usage(
        prompt_tokens=_count(said.get("promptTokenCount")),
        output_tokens=_count(said.get("candidatesTokenCount")),
        image_tokens=sum(_count(item.get("tokenCount")) for item in _mappings(details) if _is_image(item)),
        thinking_tokens=_count(said.get("thoughtsTokenCount")),
        total_tokens=_count(said.get("totalTokenCount")),
        search_queries=len(_queries(_mapping(grounding))),
    )


def grounding_of(grounding: Any) -> Grounding | None:
    """Searches, web and picture sources, and Google's suggestions exactly as given; None when there was no search."""
    said = _mapping(grounding)
    found = Grounding(
        queries=_queries(said),
        sources=tuple(_sources(said.get("groundingChunks"))),
        search_suggestions_html=text_or_none(_mapping(said.get("searchEntryPoint")).get("renderedContent")),
    )
    return found if found != Grounding() else None


def ratings_of(ratings: Any) -> tuple[SafetyRating, ...]:
    """The safety ratings, in the service's words."""
    return tuple(
        SafetyRating(
            category=text_or_none(item.get("category")) or "",
            probability=text_or_none(item.get("probability")) or "",
            blocked=item.get("blocked") is True,
        )
        for item in _mappings(ratings)
    )


def text_or_none(value: Any) -> str | None:
    """`value` when it is a text that says something."""
    return value if isinstance(value, str) and value else None


def _queries(said: Mapping[str, Any]) -> tuple[str, ...]:
    listed = [*_items(said.get("webSearchQueries")), *_items(said.get("imageSearchQueries"))]
    return tuple(query for query in listed if isinstance(query, str))


def _sources(chunks: Any) -> Iterator[Source]:
    for chunk in _mappings(chunks):
        web, image = _mapping(chunk.get("web")), _mapping(chunk.get("image"))
        uri = text_or_none(web.get("uri")) or text_or_none(image.get("sourceUri"))
        if uri:
            title = text_or_none(web.get("title")) or text_or_none(image.get("title"))
            yield Source(uri=uri, title=title or uri)


def _is_image(item: Mapping[str, Any]) -> bool:
    return item.get("modality") == "IMAGE"


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value <= _MOST_TOKENS else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in _items(value) if isinstance(item, Mapping)]
