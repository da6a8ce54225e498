"""Who calls whom, and for how long."""

from dataclasses import dataclass

from nano_banana_lab.core.shared.secrets import ApiKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Which model is called, who pays, and how many seconds the service may take (the caller keeps its own clock)."""

    model: str
    successor: str | None
    key: ApiKey
    seconds: float
