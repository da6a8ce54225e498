"""What counts as a prompt."""

from nano_banana_lab.core.shared.errors import ValidationFailed

MAX_PROMPT_CHARACTERS = 2000


def checked_prompt(text: str, *, field: str = "prompt") -> str:
    """`text` without surrounding white space. Raises `ValidationFailed` unless 1..2000 characters of valid Unicode are left."""
    prompt = text.strip()
    if not prompt:
        raise ValidationFailed.of(field, "blank")
    return checked_text(prompt, field=field, most=MAX_PROMPT_CHARACTERS)


def checked_text(text: str, *, field: str, most: int) -> str:
    """Likewise, for a text that may be empty and has at most `most` characters."""
    text = text.strip()
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationFailed.of(field, "not_unicode")
    if len(text) > most:
        raise ValidationFailed.of(field, "too_long", most=most)
    return text
