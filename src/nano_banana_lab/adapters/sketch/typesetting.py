"""Words into lines that fit a box, in the largest letters that do."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from PIL import ImageFont

from nano_banana_lab.adapters.sketch.legible_text import LegibleText

CUT_MARK = "[... cut here; the whole prompt is in this file's Description]"


@dataclass(frozen=True, kw_only=True, slots=True)
class SetText:
    """Lines and the size of their letters in pixels; `cut` when not everything fitted."""

    lines: tuple[str, ...]
    size: int
    cut: bool = False

    @property
    def line_height(self) -> int:
        return line_height(self.size)

    @property
    def height(self) -> int:
        return self.line_height * len(self.lines)


def line_height(size: int) -> int:
    """Pixels from one line to the next for letters of this size."""
    return round(size * 1.32)


@lru_cache(maxsize=64)
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, set the same way whether or not a shaping library is installed."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow without FreeType cannot draw text"
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1)
def legible_text() -> LegibleText:
    """Rewrites text for `font_of`."""
    return LegibleText(font_of(16))


def typeset(text: str, *, width: int, height: int, sizes: Sequence[int]) -> SetText:
    """`text` in the largest of `sizes` (falling) that fits; in the smallest, cut and marked so, when none does."""
    for size in sizes:
        if len(text) * size * size // 5 <= width * height:  # else hopeless, not worth measuring
            lines = tuple(_wrapped(text, width, font_of(size)))
            if len(lines) * line_height(size) <= height:
                return SetText(lines=lines, size=size)
    return _cut(text, width, height, sizes[-1])


def _cut(text: str, width: int, height: int, size: int) -> SetText:
    mark = tuple(_wrapped(CUT_MARK, width, font_of(size)))
    room = max(1, height // line_height(size) - len(mark))
    lines = tuple(line for _, line in zip(range(room), _wrapped(text, width, font_of(size)), strict=False))
    return SetText(lines=lines + mark, size=size, cut=True)


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> Iterator[str]:
    length = lru_cache(maxsize=None)(font.getlength)  # words repeat, and measuring is most of the work
    space = length(" ")
    for paragraph in text.split("\n"):
        line: list[str] = []
        used = 0.0
        for word in _pieces(paragraph, width, length):
            if line and used + space + length(word) > width:
                yield " ".join(line)
                line, used = [], 0.0
            used += length(word) + (space if line else 0)
            line.append(word)
        yield " ".join(line)


def _pieces(paragraph: str, width: int, length: Callable[[str], float]) -> Iterator[str]:
    """The words, and of a word that is wider than a line as much as goes on one."""
    most = max(2, width // 2)  # no letter is narrower than two pixels, and measuring takes time
    for word in paragraph.split():
        rest = word
        while len(rest) > 1 and length(rest[:most]) > width:
            fitting = max(1, bisect_right(range(most), width, key=lambda count: ceil(length(rest[:count]))) - 1)
            yield rest[:fitting]
            rest = rest[fitting:]
        yield rest
