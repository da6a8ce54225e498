"""Which of the prompts that a model wrote are kept: as many as were asked for, or none."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec

from nano_banana_lab.core.prompts.ports import PromptDraft, UnusableAnswer
from nano_banana_lab.core.prompts.prompt import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    MAX_TEXT_CHARACTERS,
)

T = TypeVar("T")


def accept_drafts(drafts: Iterable[PromptDraft], count: int) -> list[PromptDraft]:
    """The first `count` that differ, white space around them removed, descriptions and tags cut to their limits.

    Raises `UnusableAnswer` as `accept_texts` does.
    """
    tidied = (msgspec.structs.replace(draft, text=draft.text.strip()) for draft in drafts)
    kept = _exactly(count, _distinct((draft.text, draft) for draft in tidied))
    return [_within_limits(draft) for draft in kept]


def accept_texts(texts: Iterable[str], count: int, *, unlike: str) -> list[str]:
    """The first `count` that differ from each other and from `unlike`, white space around them removed.

    Upper and lower case and white space make no difference.
    Raises `UnusableAnswer` when there are fewer,
    or when a blank one or one of more than 2000 characters comes before there are enough.
    """
    return _exactly(count, _distinct(((text, text) for text in map(str.strip, texts)), unlike))


def _exactly(count: int, found: Iterator[T]) -> list[T]:
    kept = list(islice(found, count))
    if len(kept) < count:
        raise UnusableAnswer
    return kept


def _distinct(pairs: Iterable[tuple[str, T]], *seen_before: str) -> Iterator[T]:
    seen = {_alike(text) for text in seen_before}
    for text, item in pairs:
        if not _says_something(text) or len(text) > MAX_TEXT_CHARACTERS:
            raise UnusableAnswer
        if _alike(text) not in seen:
            seen.add(_alike(text))
            yield item


def _alike(text: str) -> str:
    """Equal for texts that differ in case and white space only."""
    return "".join(text.split()).casefold()


def _says_something(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def _within_limits(draft: PromptDraft) -> PromptDraft:
    cut = (tag.strip()[:MAX_TAG_CHARACTERS].rstrip() for tag in draft.tags)
    tags = tuple(dict.fromkeys(tag for tag in cut if _says_something(tag)))[:MAX_TAGS]
    return msgspec.structs.replace(
        draft, description=draft.description.strip()[:MAX_DESCRIPTION_CHARACTERS].rstrip(), tags=tags
    )
