"""A prompt to keep, and what it is filed under."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

from nano_banana_lab.core.identity.ports import NotAllowed
from nano_banana_lab.core.shared.errors import LabError, TooMuch

Language = NewType("Language", str)
"""A language by its tag (RFC 5646): `en`, `zh`."""

ENGLISH = Language("en")

CUSTOM = "custom"
"""The category of prompts that belong to no other."""

CATEGORIES = (
    "portrait",
    "landscape",
    "food",
    "abstract",
    "architecture",
    "animals",
    "fantasy",
    "scifi",
    "fashion",
    CUSTOM,
)

MOST_PROMPTS = 10_000
"""How many prompts are kept of one owner, each of which every look into the library reads."""

MAX_TEXT_CHARACTERS = 2000
MAX_DESCRIPTION_CHARACTERS = 500
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 50


class PromptNotFound(LabError):
    """The library has no prompt with this id, or it is somebody else's."""

    code = "prompt_not_found"
    sentence = "There is no such prompt."


class TooManyPrompts(TooMuch):
    """The owner keeps as many prompts as there is room for. Details: `most`. `retry_after` is in seconds."""

    sentence = "At most {most} prompts are kept for you; please delete some of them first."
    retry_after = 600


class BuiltInPrompt(NotAllowed):
    """The prompt ships with the lab."""

    sentence = "This prompt ships with the service and cannot be deleted."


class VariationKind(StrEnum):
    """In what the variations of a prompt differ."""

    STYLE = "style"
    MOOD = "mood"
    COMPOSITION = "composition"


class LibraryPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt of the library. `style` is empty when it has none; `built_in` ones belong to everybody."""

    id: str
    text: str
    description: str
    category: str
    tags: tuple[str, ...]
    style: str
    language: Language
    created_at: datetime
    built_in: bool = False
    schema: int = 1


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """What prompts are filed under, as people of one language see it."""

    name: str
    display_name: str
    description: str
    icon: str
