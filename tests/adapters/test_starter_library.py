"""The prompts that ship."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nano_banana_lab.adapters.toml.starter_library import TomlStarterLibrary
from nano_banana_lab.core.prompts.prompt import CATEGORIES, CUSTOM, Language, LibraryPrompt

LIBRARY = TomlStarterLibrary()
LANGUAGES = ["en", "zh"]


def prompts(language: str) -> list[LibraryPrompt]:
    return list(LIBRARY.prompts(Language(language)))


def test_it_is_written_in_english_and_chinese() -> None:
    assert list(LIBRARY.languages) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_category_has_a_name_an_icon_and_prompts_enough(language: str) -> None:
    categories = LIBRARY.categories(Language(language))
    counted = {name: sum(prompt.category == name for prompt in prompts(language)) for name in categories}

    assert tuple(categories) == CATEGORIES
    assert all(each.display_name and each.description and each.icon for each in categories.values())
    assert counted.pop(CUSTOM) == 0
    assert min(counted.values()) >= 12


def test_a_category_has_one_icon_in_all_languages() -> None:
    icons = [{name: each.icon for name, each in LIBRARY.categories(Language(tag)).items()} for tag in LANGUAGES]

    assert icons[0] == icons[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_prompts_are_alike(language: str) -> None:
    for told in (lambda prompt: prompt.id, lambda prompt: prompt.text, lambda prompt: prompt.description):
        assert len({told(prompt) for prompt in prompts(language)}) == len(prompts(language))
    for category in CATEGORIES:
        texts = [prompt.text for prompt in prompts(language) if prompt.category == category]
        beginnings = {" ".join(text.split()[:3]) if language == "en" else text[:4] for text in texts}
        assert len(beginnings) == len(texts)


def test_ids_are_unique_over_all_languages() -> None:
    ids = [prompt.id for tag in LANGUAGES for prompt in prompts(tag)]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", each) for each in ids)


@pytest.mark.parametrize("prompt", prompts("en"), ids=lambda prompt: prompt.id)
def test_an_english_prompt_says_enough_and_not_too_much(prompt: LibraryPrompt) -> None:
    assert 20 <= len(prompt.text.split()) <= 50
    assert 10 <= len(prompt.description) <= 80
    assert 3 <= len(prompt.tags) <= 5
    assert prompt.style


@pytest.mark.parametrize("prompt", prompts("zh"), ids=lambda prompt: prompt.id)
def test_a_chinese_prompt_says_enough_and_not_too_much(prompt: LibraryPrompt) -> None:
    assert 40 <= len(re.findall(r"[\u4e00-\u9fff]", prompt.text)) <= 110
    assert 4 <= len(prompt.description) <= 40
    assert not re.search(r"[,;:!?]", prompt.text)  # the punctuation is full-width
    assert 3 <= len(prompt.tags) <= 5
    assert prompt.style


def test_adding_a_language_is_one_file(tmp_path: Path) -> None:
    english = (resources.files("nano_banana_lab.adapters.toml") / "prompts" / "en.toml").read_text("utf-8")
    (tmp_path / "en.toml").write_text(english, "utf-8")
    (tmp_path / "de.toml").write_text(english.replace("Portraits", "Porträts"), "utf-8")
    library = TomlStarterLibrary(tmp_path)

    assert list(library.languages) == ["de", "en"]
    assert library.categories(Language("de"))["portrait"].display_name == "Porträts"
    assert {prompt.language for prompt in library.prompts(Language("de"))} == {"de"}


@pytest.mark.parametrize("damage", ["[[prompts]]\nid = 'x'\n", "surprise = 1\n"])
def test_a_file_that_is_no_library_is_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / "xx.toml").write_text(damage)
    with pytest.raises(msgspec.ValidationError):
        TomlStarterLibrary(tmp_path)


def test_a_language_that_is_not_there_is_a_key_error() -> None:
    for ask in (LIBRARY.prompts, LIBRARY.categories):
        asking: Any = ask
        with pytest.raises(KeyError):
            asking(Language("tlh"))
