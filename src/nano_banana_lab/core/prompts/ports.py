"""What the prompt library needs from outside: prompts that ship with the lab, and somebody who writes new ones."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from nano_banana_lab.core.generation.ports import UpstreamFailed
from nano_banana_lab.core.prompts.prompt import Category, Language, LibraryPrompt, VariationKind
from nano_banana_lab.core.shared.secrets import ApiKey


class StarterLibrary(Protocol):
    """The prompts and categories that ship with the lab. Asks nobody: everything is there from the start."""

    @property
    def languages(self) -> Sequence[Language]:
        """Every language it is written in; English is among them."""
        ...

    def prompts(self, language: Language) -> Sequence[LibraryPrompt]:
        """In their order. Raises KeyError for a language that is not among `languages`."""
        ...

    def categories(self, language: Language) -> Mapping[str, Category]:
        """Every category by its name, in their order, named in that language. Raises KeyError likewise."""
        ...


class PromptDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt just written: its text, what comes of it in one sentence, and a few words to find it by."""

    text: str
    description: str
    tags: tuple[str, ...] = ()


class UnusableAnswer(UpstreamFailed):
    """The model answered, and did not write what it was asked for."""

    sentence = "The model did not write what was asked for; please try again."

    def __init__(self) -> None:
        super().__init__(reason="unusable_answer")


class PromptWriter(Protocol):
    """A model that writes prompts for pictures.

    With an `api_key` a call is paid by that key instead of the lab's own. `language` is the one it writes in;
    with None it MUST be asked to write in the one in which the prompt is written, whichever that is.
    MUST be safe to call from any number of tasks at once; keys of different calls MUST NOT mix.
    MUST raise exactly one `GenerationError` for every answer that is not what was asked for, complete and distinct:
    `NoApiKey` when there is no key to pay with, `UnusableAnswer` for too few prompts,
    blank, repeated or overlong ones, or anything that is not in the form agreed upon. Nothing is ever made up here.
    MUST NOT put a key, or the body of an upstream answer, into an error.
    When the calling task is cancelled the call ends at once.
    """

    async def write(
        self, *, category: str, style: str | None, count: int, language: Language, api_key: ApiKey | None
    ) -> list[PromptDraft]:
        """Exactly `count` (1..30) prompts of a category, no two alike, each 1 to 2000 characters."""
        ...

    async def enhance(self, prompt: str, *, language: Language | None, api_key: ApiKey | None) -> str:
        """The same picture told better, 1 to 2000 characters, and not the prompt itself."""
        ...

    async def vary(
        self, prompt: str, *, count: int, kind: VariationKind, language: Language | None, api_key: ApiKey | None
    ) -> list[str]:
        """Exactly `count` (1..10) other pictures of the same idea that differ in `kind`, no two alike."""
        ...
