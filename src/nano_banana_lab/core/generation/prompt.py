"""What counts as a prompt."""

from nano_banana_lab.core.shared.errors import ValidationFailed

MAX_PROMPT_CHARACTERS = 2000


def checked_prompt(text: str, *, field: str = "prompt") -> str:
    """`text` without surrounding white space. Raises `ValidationFailed` unless 1..2000 characters of valid Unicode are left."""
    prompt = text.strip()
    if not prompt:
        raise ValidationFailed.of(field, "blank")
    if not prompt.isprintable() and any("\ud800" <= character <= "\udfff" for character in prompt):
        raise ValidationFailed.of(field, "not_unicode")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise ValidationFailed.of(field, "too_long", most=MAX_PROMPT_CHARACTERS)
    return prompt
