"""Prompts of the library as clients write and see them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal, Self

import msgspec

from nano_banana_lab.core.prompts.library import LibraryPage
from nano_banana_lab.core.prompts.prompt import (
    CATEGORIES,
    CUSTOM,
    ENGLISH,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    Category,
    LibraryPrompt,
    VariationKind,
)
from nano_banana_lab.core.prompts.write_prompts import MAX_STYLE_CHARACTERS
from nano_banana_lab.http.prompt_text import prompt_text
from nano_banana_lab.http.timestamps import Timestamp, rfc3339

CategoryName = Literal[
    "portrait", "landscape", "food", "abstract", "architecture", "animals", "fantasy", "scifi", "fashion", "custom"
]
assert CategoryName.__args__ == CATEGORIES  # type: ignore[attr-defined]  # one list, which a type cannot be made of

LANGUAGE = "`en`, `zh`, or another one that this service has a library in."


class PromptBody(msgspec.Struct, kw_only=True):
    """A prompt. Built-in ones have words for an id, and are everybody's."""

    id: str
    text: str
    description: str
    category: str
    tags: tuple[str, ...]
    style: str
    is_favorite: bool
    created_at: Timestamp
    language: str

    @classmethod
    def of(cls, prompt: LibraryPrompt, *, is_favorite: bool) -> Self:
        """The prompt as one caller sees it."""
        return cls(
            id=prompt.id,
            text=prompt.text,
            description=prompt.description,
            category=prompt.category,
            tags=prompt.tags,
            style=prompt.style,
            is_favorite=is_favorite,
            created_at=rfc3339(prompt.created_at),
            language=prompt.language,
        )

    @classmethod
    def all_of(cls, prompts: Sequence[LibraryPrompt], favorites: Collection[str] = ()) -> list[Self]:
        """Several, in order."""
        return [cls.of(prompt, is_favorite=prompt.id in favorites) for prompt in prompts]


class CategoryBody(msgspec.Struct, kw_only=True):
    """A category; `count` is how many prompts in it the caller can see in this language, `icon` an emoji."""

    name: str
    display_name: str
    description: str
    count: int
    icon: str

    @classmethod
    def all_of(cls, categories: Sequence[Category], counts: Mapping[str, int]) -> list[Self]:
        """All of them, in order."""
        return [cls(**msgspec.structs.asdict(each), count=counts.get(each.name, 0)) for each in categories]


class LibraryBody(msgspec.Struct, kw_only=True):
    """A page of the library, and all categories."""

    prompts: list[PromptBody]
    total: int
    categories: list[CategoryBody]

    @classmethod
    def of(cls, page: LibraryPage, categories: Sequence[Category]) -> Self:
        """The page, and these categories with what is in them."""
        return cls(
            prompts=PromptBody.all_of(page.prompts, page.favorites),
            total=page.total,
            categories=CategoryBody.all_of(categories, page.counts),
        )


class NewPromptBody(msgspec.Struct, kw_only=True):
    """A prompt to keep."""

    text: Annotated[str, prompt_text("What a picture shows.", "a quiet harbour")]
    description: Annotated[str, msgspec.Meta(max_length=MAX_DESCRIPTION_CHARACTERS)] = ""
    category: CategoryName = CUSTOM  # type: ignore[assignment]  # it is one of them
    tags: Annotated[
        list[str], msgspec.Meta(description=f"At most {MAX_TAGS}, of up to {MAX_TAG_CHARACTERS} characters each.")
    ] = []
    language: Annotated[str, msgspec.Meta(description=LANGUAGE)] = ENGLISH


class KeptBody(msgspec.Struct, kw_only=True):
    """A prompt that is kept now."""

    prompt: PromptBody
    message: str


class GeneratePromptsBody(msgspec.Struct, kw_only=True):
    """Which prompts to write."""

    category: CategoryName
    style: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=MAX_STYLE_CHARACTERS, description="What they have in common.", examples=["linocut"]
            ),
        ]
        | None
    ) = None
    count: Annotated[int, msgspec.Meta(ge=1, le=30)] = 10
    language: Annotated[str, msgspec.Meta(description=LANGUAGE)] = ENGLISH


class WrittenPromptsBody(msgspec.Struct, kw_only=True):
    """Prompts just written; `saved` says that they are in the caller's library."""

    prompts: list[PromptBody]
    count: int
    category: str
    saved: bool = True


class FavoriteBody(msgspec.Struct, kw_only=True):
    """Whether a prompt is a favourite now."""

    prompt_id: str
    is_favorite: bool
    message: str


class PromptDeletedBody(msgspec.Struct, kw_only=True):
    """A prompt that is gone."""

    success: bool
    message: str


class EnhanceBody(msgspec.Struct, kw_only=True):
    """A prompt to tell better."""

    prompt: Annotated[str, prompt_text("What a picture shows.", "a cat")]
    language: Annotated[
        str | None, msgspec.Meta(description=f"{LANGUAGE} By default the prompt's own, whichever it is.")
    ] = None


class EnhancedBody(msgspec.Struct, kw_only=True):
    """The prompt told better, and as it was."""

    prompt: str
    original: str


class VariationsBody(msgspec.Struct, kw_only=True):
    """A prompt to vary, how often and in what."""

    prompt: Annotated[str, prompt_text("What a picture shows.", "a cat")]
    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    kind: VariationKind = VariationKind.STYLE


class VariedBody(msgspec.Struct, kw_only=True):
    """Other pictures of the same idea."""

    prompts: list[str]
