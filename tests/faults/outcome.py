"""What a fault is expected to lead to, and what it was seen to lead to: the same words for both."""

from dataclasses import dataclass
from typing import NamedTuple

SIDECAR, PICTURE = "sidecar", "picture"
"""The files of a picture, in the order in which they are stored."""

LEASE, CHORES, REINDEX, REPORTED = "lease", "rounds", "reindex", "reported"
"""What does something afterwards: the end of a dead reservation's lease, the lab's rounds, the operator's `reindex`,
which enters pictures and takes out records, or only reports a file that does not fit."""

CALIFORNIA = "until midnight in California"
"""A wait that depends on when the row runs."""

NO_FILES: tuple[str, ...] = ()
BOTH_FILES = (SIDECAR, PICTURE)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is seen of one request.

    `answer` is the client's: status and code, or that there was none; `retry_after` is in seconds.
    `asked` is how often Google was asked. `files` are there when the client has its answer.
    `listed` (lines of the history) and `charged` (trial points) are as soon as the stores are well, and again at the end,
    after all that `healed_by` names. `ready` is the status of readiness while the fault lasts, None where
    the lab cannot have noticed for sure; `again` is that of the next generation afterwards on a process that was not restarted, or on the one that took its place.
    """

    answer: str
    retry_after: str | None = None
    asked: int = 1
    files: tuple[str, ...] = NO_FILES
    ready: int | None = 200
    listed: int = 0
    charged: int = 0
    healed_by: tuple[str, ...] = ()
    listed_at_last: int = 0
    charged_at_last: int = 0
    again: int = 200


class Seen(NamedTuple):
    """An outcome, and after how many seconds the client had its answer."""

    outcome: Outcome
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault at one moment. `within` bounds the client's wait in seconds; `in_short` rows run with every `make test`.

    `or_else` is as good as `expected` where it depends on what had reached a server before it hung.
    """

    fault: str
    moment: str
    expected: Outcome
    or_else: Outcome | None = None
    within: float = 5.0
    stores: str = "redis+s3"
    prompt: str = ""
    resolution: str = "1K"
    in_short: bool = False

    def allows(self, outcome: Outcome) -> bool:
        """Whether nothing is wrong with it."""
        return outcome in (self.expected, self.or_else)

    @property
    def name(self) -> str:
        return f"{self.fault}, {self.moment}, {self.stores}"
