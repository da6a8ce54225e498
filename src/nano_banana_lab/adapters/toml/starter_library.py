"""The starter library as it ships: one TOML file for each language, beside this one."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from nano_banana_lab.core.prompts.prompt import Category, Language, LibraryPrompt

SHIPPED_AT = datetime(2026, 11, 25, tzinfo=UTC)
"""When the prompts were written, as far as anybody asks."""


class _CategoryEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    display_name: str
    description: str
    icon: str


class _PromptEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    category: str
    text: str
    description: str
    tags: tuple[str, ...]
    style: str


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    categories: dict[str, _CategoryEntry]
    prompts: list[_PromptEntry]


class TomlStarterLibrary:
    """Reads every `*.toml` of a folder, by default the one that ships; its name is the tag of its language.

    Raises `msgspec.ValidationError` or `tomllib.TOMLDecodeError` for a file that is not a library.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        found = (folder or resources.files(__package__) / "prompts").iterdir()
        files = sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)
        self._files = {Language(file.name.removesuffix(".toml")): _read(file) for file in files}
        self._prompts = {language: _prompts(file, language) for language, file in self._files.items()}
        self._categories = {language: _categories(file) for language, file in self._files.items()}

    @property
    def languages(self) -> Sequence[Language]:
        return tuple(self._files)

    def prompts(self, language: Language) -> Sequence[LibraryPrompt]:
        return self._prompts[language]

    def categories(self, language: Language) -> Mapping[str, Category]:
        return self._categories[language]


def _read(file: Traversable) -> _File:
    return msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File)


def _prompts(file: _File, language: Language) -> tuple[LibraryPrompt, ...]:
    return tuple(
        LibraryPrompt(**msgspec.structs.asdict(entry), language=language, created_at=SHIPPED_AT, built_in=True)
        for entry in file.prompts
    )


def _categories(file: _File) -> dict[str, Category]:
    return {name: Category(name=name, **msgspec.structs.asdict(entry)) for name, entry in file.categories.items()}
