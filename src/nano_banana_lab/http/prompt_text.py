"""How the document describes a prompt, whose length is only judged once it is trimmed."""

from typing import Any

import msgspec

from nano_banana_lab.core.generation.prompt import MAX_PROMPT_CHARACTERS

RULES: dict[str, Any] = {
    "minLength": 1,
    "maxLength": MAX_PROMPT_CHARACTERS,
    "pattern": r"[^\s\x1c-\x1f\x85]",  # what `str.strip` leaves
}


def prompt_text(description: str, example: str) -> msgspec.Meta:
    """Of a field; what is refused, and how, is decided by the core and not by the document."""
    return msgspec.Meta(
        description=f"{description} 1 to {MAX_PROMPT_CHARACTERS} characters after trimming.".lstrip(),
        examples=[example],
        extra_json_schema={"extra": RULES},
    )


def prompt_texts(description: str, examples: list[str]) -> msgspec.Meta:
    """Of a list of them with at least one."""
    return msgspec.Meta(
        description=description,
        examples=[examples],
        extra_json_schema={"extra": {"minItems": 1, "items": {"type": "string", **RULES}}},
    )
