"""What the visitors were told, in one book for all of them, to be compared with what is stored and charged."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Book:
    """`points` is what each picture that was answered has cost, by its id; an upload costs nothing."""

    points: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each act had each outcome: a status, and the code where something was refused."""

    def note(self, act: str, status: int, body: Any) -> None:
        """An answer of the service."""
        code = body.get("code") if isinstance(body, dict) and status >= 400 else None
        self.answers[act, f"{status} {code}" if code else str(status)] += 1

    def kept(self, image: dict[str, Any] | None, *, cost: int) -> None:
        """A picture that was answered; nothing when there is none."""
        if image is not None:
            self.points[image["id"]] = cost

    @property
    def spent(self) -> int:
        """The points of all pictures, also of those that were deleted afterwards."""
        return sum(self.points.values())

    @property
    def there(self) -> set[str]:
        """The pictures that must still be there."""
        return self.points.keys() - self.deleted

    @property
    def bugs(self) -> list[tuple[str, str]]:
        """Answers that the service owes nobody."""
        return [answer for answer in self.answers if answer[1].startswith("500")]
