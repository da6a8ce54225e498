"""Which language does a client like best? RFC 9110 section 12.5.4, by the lookup of RFC 4647 section 3.4."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

ANY = "*"

MAX_RANGES = 256
"""What comes behind so many is not read: people speak a few languages, and every request may bring 64 KB of them."""

_RANGE = re.compile(
    r"(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII | re.IGNORECASE,
)


class Range(NamedTuple):
    """Languages that a client takes, by a tag in small letters or `ANY`; those of quality 0 it does not take."""

    tag: str
    quality: float


def best_language(header: str, available: Sequence[str], otherwise: Sequence[str]) -> str | None:
    """The tag in `available` that the header asks for, else the first in `otherwise` or then in `available` that it does not
    refuse.

    Of equal qualities the earlier one wins; a range that is malformed is passed over; `zh-Hant-TW` is content with `zh`.
    A wildcard stands for what no other range names: for the first of `otherwise`, if it may. None: all that is refused.
    """
    ranges = list(_ranges(header))
    refused = {range_.tag for range_ in ranges if range_.quality == 0}
    wanted = sorted([range_ for range_ in ranges if range_.quality > 0], key=lambda range_: -range_.quality)
    taken = [tag for tag in available if not refused.intersection(_ranges_over(tag))]
    named = {found for range_ in wanted if (found := _lookup(range_.tag, available))}
    unnamed = [tag for tag in (*otherwise, *taken) if tag in taken and tag not in named]
    for range_ in wanted:
        found = next(iter(unnamed), None) if range_.tag == ANY else _lookup(range_.tag, taken)
        if found:
            return found
    return next((tag for tag in (*otherwise, *available) if tag in taken), None)


def _ranges(header: str) -> Iterator[Range]:
    for item in header.split(",", MAX_RANGES)[:MAX_RANGES]:
        if found := _RANGE.fullmatch(item.strip(" \t")):
            yield Range(found[1].lower(), float(found[2] or 1))


def _lookup(range_: str, tags: Collection[str]) -> str | None:
    """The longest tag with which the range begins."""
    return max((tag for tag in tags if f"{range_}-".startswith(f"{tag.lower()}-")), key=len, default=None)


def _ranges_over(tag: str) -> list[str]:
    """The ranges that match a tag (RFC 4647 section 3.3.1), the wildcard apart: `zh-hant` and `zh` match `zh-Hant`."""
    subtags = tag.lower().split("-")
    return ["-".join(subtags[:count]) for count in range(1, len(subtags) + 1)]
