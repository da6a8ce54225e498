"""Look through the prompts that ship with the lab and those an owner keeps."""

import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.prompts.keys import favorites_index, own_index, prompt_key
from nano_banana_lab.core.prompts.ports import StarterLibrary
from nano_banana_lab.core.prompts.prompt import ENGLISH, Category, Language, LibraryPrompt, PromptNotFound
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId, is_id
from nano_banana_lab.core.storage.ports import KeyValueStore, pages

READ_AT_ONCE = 200
"""Prompts, of some kilobytes each."""


class LibraryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which prompts, and which page of them. Every word of `search` must occur in a prompt, in its description or tags."""

    owner: OwnerId
    language: Language = ENGLISH
    category: str | None = None
    search: str = ""
    favorites_only: bool = False
    limit: int = 50
    offset: int = 0


class LibraryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some prompts: the owner's own first, the newest first, then those that ship with the lab. `total` is how many match.

    `favorites` are the ids of those among them that are the owner's favourites; `counts` says how many prompts each
    category has in this language, whatever was asked for.
    """

    prompts: tuple[LibraryPrompt, ...]
    total: int
    favorites: frozenset[str]
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Library:
    """Every prompt of one language that an owner can see."""

    starter: StarterLibrary
    key_values: KeyValueStore

    async def __call__(self, query: LibraryQuery) -> LibraryPage:
        """A page of what matches. Raises `ValidationFailed` for an unknown language or category.

        Looks at everything, and holds no more of it at a time than the page and a few hundred prompts.
        """
        self.check(query.language, query.category)
        favorites = await self.favorites(query.owner)
        matches = _matching(query, favorites)
        counts, total, shown = Counter[str](), 0, list[LibraryPrompt]()
        async for prompts in self._visible(query.owner, query.language):
            counts.update(prompt.category for prompt in prompts)
            found = list(filter(matches, prompts))
            begin, end = (max(0, edge - total) for edge in (query.offset, query.offset + query.limit))
            shown += found[begin:end]
            total += len(found)
        return LibraryPage(
            prompts=tuple(shown),
            total=total,
            favorites=favorites.intersection(prompt.id for prompt in shown),
            counts=counts,
        )

    async def counts(self, owner: OwnerId | None, language: Language) -> Mapping[str, int]:
        """How many prompts of each category an owner can see, or somebody unknown. Raises `ValidationFailed` likewise."""
        self.check(language)
        counts = Counter[str]()
        async for prompts in self._visible(owner, language):
            counts.update(prompt.category for prompt in prompts)
        return counts

    def check(self, language: Language, category: str | None = None) -> None:
        """Raise `ValidationFailed` unless the library has this language, and this category when one is given."""
        if language not in self.starter.languages:
            raise ValidationFailed.of("language", "unknown_choice", choices=", ".join(self.starter.languages))
        known = self.starter.categories(language)
        if category is not None and category not in known:
            raise ValidationFailed.of("category", "unknown_choice", choices=", ".join(known))

    def categories(self, language: Language) -> Sequence[Category]:
        """All of them, named in that language, in their order."""
        return tuple(self.starter.categories(language).values())

    async def favorites(self, owner: OwnerId) -> frozenset[str]:
        """The ids of the owner's favourites."""
        index = favorites_index(owner)
        return frozenset([entry.member async for page in pages(self.key_values, index) for entry in page])

    async def one(self, owner: OwnerId, id: str) -> LibraryPrompt:
        """A prompt that the owner can see, in whatever language. Raises `PromptNotFound`."""
        kept = await self.key_values.get(prompt_key(owner, id)) if is_id(id) else None
        if kept is not None:
            return msgspec.json.decode(kept, type=LibraryPrompt)
        for language in self.starter.languages:
            for prompt in self.starter.prompts(language):
                if prompt.id == id:
                    return prompt
        raise PromptNotFound

    async def _visible(self, owner: OwnerId | None, language: Language) -> AsyncIterator[Sequence[LibraryPrompt]]:
        """Everything in that language: the owner's own, the newest first, then what ships with the lab.

        Some at a time, so that whoever looks through thousands lets others have their turn in between.
        """
        if owner is not None:
            async for page in pages(self.key_values, own_index(owner), newest_first=True):
                for some in (page[at : at + READ_AT_ONCE] for at in range(0, len(page), READ_AT_ONCE)):
                    kept = await self.key_values.get_many([prompt_key(owner, entry.member) for entry in some])
                    own = (_decoder.decode(value) for value in kept if value is not None)
                    yield [prompt for prompt in own if prompt.language == language]
        yield self.starter.prompts(language)


_decoder = msgspec.json.Decoder(LibraryPrompt)


def _matching(query: LibraryQuery, favorites: frozenset[str]) -> Callable[[LibraryPrompt], bool]:
    words = _folded(query.search).split()

    def matches(prompt: LibraryPrompt) -> bool:
        if query.category is not None and prompt.category != query.category:
            return False
        if query.favorites_only and prompt.id not in favorites:
            return False
        if not words:
            return True
        told = _folded(" ".join((prompt.text, prompt.description, prompt.style, *prompt.tags)))
        return all(word in told for word in words)

    return matches


def _folded(text: str) -> str:
    """What is compared: letter case ignored, and an accent is the same however it is encoded."""
    return unicodedata.normalize("NFC", text.casefold())
