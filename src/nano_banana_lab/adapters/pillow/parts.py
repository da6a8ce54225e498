"""A picture file cut into the parts its format is made of."""

from typing import NamedTuple


class Part(NamedTuple):
    """One chunk or segment: its kind, and where its content lies in the file."""

    kind: bytes
    start: int
    end: int

    def content(self, data: bytes) -> bytes:
        return data[self.start : self.end]


def only_zeros(data: bytes, start: int) -> bool:
    """Whether nothing but padding follows."""
    return data.count(0, start) == len(data) - start
