"""The sentences a client reads, in its language.

English stands in the code, beside each error. Every other language is one JSON file in this folder, named by its tag,
that maps each English sentence to its translation.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NewType

from nano_banana_lab.core.shared.errors import FIELD_SENTENCES, FieldError, LabError

Language = NewType("Language", str)

ENGLISH = Language("en")


@cache
def catalogues() -> dict[Language, dict[str, str]]:
    """Every language that has a file here, English included (it translates nothing)."""
    files = (file for file in resources.files(__package__).iterdir() if file.name.endswith(".json"))
    found = {Language(file.name.removesuffix(".json")): json.loads(file.read_text("utf-8")) for file in files}
    return {ENGLISH: {}, **found}


def negotiate(accept_language: str | None, default: str) -> Language:
    """The available language the client likes best (RFC 9110 section 12.5.4); `default` when it named none of them."""
    wanted = sorted(_ranges(accept_language or ""), key=lambda range_: -range_[1])
    for tag, quality in wanted:
        language = Language(tag.partition("-")[0])
        if quality > 0 and language in catalogues():
            return language
    return Language(default) if default in catalogues() else ENGLISH


def sentence(error: LabError, language: Language) -> str:
    """The error's sentence, filled with its details."""
    return sentence_of(error.sentence, error.details, language)


def sentence_of(english: str, details: Mapping[str, Any], language: Language) -> str:
    """The sentence of an error that was kept, filled with its details."""
    template = _translated(english, language)
    return template.format_map({**dict.fromkeys(_placeholders(template), ""), **details})


def field_message(error: FieldError, language: Language) -> str:
    """What is wrong with a field."""
    return _translated(FIELD_SENTENCES[error.type], language).format_map(error.limits)


def _translated(english: str, language: Language) -> str:
    return catalogues()[language].get(english, english)


def _placeholders(template: str) -> list[str]:
    from string import Formatter  # noqa: PLC0415  only errors need it

    return [name for _, name, _, _ in Formatter().parse(template) if name]


def _ranges(header: str) -> list[tuple[str, float]]:
    ranges = []
    for item in header.split(","):
        tag, _, parameters = item.strip().partition(";")
        if tag:
            ranges.append((tag.strip().lower(), _quality(parameters)))
    return ranges


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
