"""Texts that must never be printed."""

from typing import NoReturn


class Secret:
    """Prints as asterisks and cannot be serialised, so that no log line, error or record carries it by accident.

    Equal to another secret of the same kind with the same text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((type(self), self._text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}('***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be serialised")


class ApiKey(Secret):
    """A Google API key."""

    __slots__ = ()
