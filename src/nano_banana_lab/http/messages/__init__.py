"""The sentences a client reads, in its language.

English stands in the code, beside each error and each answer. Every other language is one JSON file in this folder,
named by its tag (RFC 5646), that maps each English sentence, and each word that fills one, to its translation.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NewType

from nano_banana_lab.core.shared.errors import EITHER, FIELD_SENTENCES, FIELD_WORDS, FieldError, LabError, family
from nano_banana_lab.http.accept_language import best_language

Language = NewType("Language", str)

ENGLISH = Language("en")

FOLDER = resources.files(__package__)

Sentence = NewType("Sentence", str)
"""What a successful answer says to people, in English; a test looks for all of these in every catalogue."""


@cache
def catalogues() -> dict[Language, dict[str, str]]:
    """Every language that has a file here, English included (it translates nothing)."""
    files = sorted((file for file in FOLDER.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    found = {Language(file.name.removesuffix(".json")): json.loads(file.read_text("utf-8")) for file in files}
    return {ENGLISH: {}, **found}


def negotiate(accept_language: str | None, default: str) -> Language:
    """The available language the client likes best; when it named none of them, `default`.

    A `default` that it refuses gives way to English, that to any language it does not refuse, and all to `default` when
    there is none.
    """
    usual = Language(default) if default in catalogues() else ENGLISH
    best = best_language(accept_language or "", list(catalogues()), otherwise=(usual, ENGLISH))
    return Language(best) if best else usual


def say(english: Sentence, language: Language, **details: Any) -> str:
    """What a successful answer says, filled with the details."""
    return _filled(english, details, {}, language)


def sentence(error: LabError, language: Language) -> str:
    """The error's sentence, filled with its details."""
    return _filled(error.sentence, error.details, error.words, language)


def sentence_of(english: str, details: Mapping[str, Any], language: Language) -> str:
    """The sentence of an error that was kept, filled with its details."""
    words = next((error.words for error in family() if error.sentence == english), {})
    return _filled(english, details, words, language)


def field_message(error: FieldError, language: Language) -> str:
    """What is wrong with a field."""
    return _filled(FIELD_SENTENCES[error.type], error.limits, FIELD_WORDS, language)


def _filled(english: str, details: Mapping[str, Any], words: Mapping[str, str], language: Language) -> str:
    template = _translated(english, language)
    names = _placeholders(template)
    return template.format_map({name: _worded(details.get(name, ""), words, language) for name in names})


def _worded(value: Any, words: Mapping[str, str], language: Language) -> Any:
    """A machine's word, or several of which one is meant, as people say it; anything else as it is."""
    parts = value.split(EITHER) if isinstance(value, str) else []
    if not parts or not words.keys() >= set(parts):
        return value
    return _translated(EITHER, language).join([_translated(words[part], language) for part in parts])


def _translated(english: str, language: Language) -> str:
    return catalogues()[language].get(english, english)


def _placeholders(template: str) -> list[str]:
    from string import Formatter  # noqa: PLC0415  only errors need it

    return [name for _, name, _, _ in Formatter().parse(template) if name]
