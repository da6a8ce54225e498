"""Texts that must never be printed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A Google API key. Prints as asterisks, so that no log line and no error can carry it by accident."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "ApiKey('***')"
