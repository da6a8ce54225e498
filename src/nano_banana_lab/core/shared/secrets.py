"""Texts that must never be printed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Prints as asterisks and cannot be serialised, so that no log line, error or record carries it by accident."""

    _text: str = field()

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}('***')"


class ApiKey(Secret):
    """A Google API key."""

    __slots__ = ()
