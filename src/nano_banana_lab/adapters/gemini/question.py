"""What a model is asked for words about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What to do, what to do it with, and the JSON Schema of the answer.

    `instruction` is ours alone; everything that somebody typed is in `material`, which is sent as a JSON object,
    so that none of it can pass for part of the instruction.
    """

    instruction: str
    material: Mapping[str, str]
    schema: Mapping[str, Any]
