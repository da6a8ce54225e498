"""The sentence of an error, in the language the client likes best."""

import string
from collections.abc import Iterator
from typing import Any

import pytest

import nano_banana_lab.http.errors
import nano_banana_lab.main.app
from nano_banana_lab.core.shared.errors import FIELD_SENTENCES, FieldError, LabError, ValidationFailed
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.http.errors import STATUS_BY_CODE
from nano_banana_lab.http.messages import ENGLISH, Language, catalogues, field_message, negotiate, sentence


def family(error: type[LabError] = LabError) -> Iterator[type[LabError]]:
    yield error
    for each in error.__subclasses__():
        if each.__module__.startswith("nano_banana_lab."):
            yield from family(each)


ERRORS = sorted(set(family()), key=lambda error: (error.__module__, error.__name__))
LANGUAGES = sorted(catalogues())


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def bare(error: type[LabError]) -> LabError:
    """The error without any detail, however it is usually made."""
    made = error.__new__(error)
    made.details = {}
    return made


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_status(error: type[LabError]) -> None:
    assert 400 <= STATUS_BY_CODE[error.code] <= 599


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_sentence_with_and_without_its_details(error: type[LabError], language: Language) -> None:
    without = bare(error)
    filled = bare(error)
    filled.details = dict.fromkeys(placeholders(error.sentence), "XYZ")

    assert "{" not in sentence(without, language) != ""
    assert ("XYZ" in sentence(filled, language)) is bool(placeholders(error.sentence))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", FIELD_SENTENCES)
def test_every_field_sentence_can_be_filled(kind: str, language: Language) -> None:
    limits = dict.fromkeys(placeholders(FIELD_SENTENCES[kind]), 7)

    assert "{" not in field_message(FieldError(field="x", type=kind, limits=limits), language)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != ENGLISH] or [ENGLISH])
def test_a_language_says_everything_english_says(language: Language) -> None:
    said = {error.sentence for error in ERRORS if error is not CommitRefused} | set(FIELD_SENTENCES.values())
    translated = catalogues()[language]

    assert language == ENGLISH or said - set(translated) == set()
    assert [text for text in translated if placeholders(text) != placeholders(translated[text])] == []


@pytest.mark.parametrize(
    ("header", "default", "language"),
    [
        (None, "en", "en"),
        ("", "en", "en"),
        ("en", "zh", "en"),
        ("fr", "en", "en"),
        ("en-GB;q=0.5, fr", "zh", "en"),
        ("EN-us", "zh", "en"),
        ("*", "en", "en"),
        ("en;q=0", "en", "en"),
        (";;;,,q=,=", "en", "en"),
        ("en;q=nan", "en", "en"),
        ("fr", "klingon", "en"),
        ("x" * 10_000, "en", "en"),
    ],
)
def test_negotiation_never_fails(header: str | None, default: str, language: str) -> None:
    assert negotiate(header, default) == language


async def test_an_unknown_language_gets_english(refusing: Any) -> None:
    for header in ("fr", "fr-CH, de;q=0.9", "zz", ""):
        response = await refusing.get("/nope", headers={"Accept-Language": header})
        assert response.json()["detail"] == "There is nothing here."


async def test_the_default_language_may_be_one_nobody_translated(open_service: Any) -> None:
    async with open_service(DEFAULT_LANGUAGE="zh") as service:
        assert (await service.client.get("/nope")).json()["detail"] == "There is nothing here."


def test_validation_errors_are_one_sentence_with_every_field() -> None:
    error = ValidationFailed([FieldError(field="a", type="blank"), FieldError(field="", type="invalid_json")])

    assert nano_banana_lab.http.errors._detail(error, ENGLISH) == (
        "a: This field must not be empty. The body is not valid JSON."
    )
