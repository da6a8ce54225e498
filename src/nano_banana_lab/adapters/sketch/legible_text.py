"""Any text in letters that a small font has, so that a picture never shows empty boxes.

Pillow's own font has about a hundred glyphs, basic Latin and little else. What it lacks is written
as the nearest plain letters (`é` as `e`), as the name of a symbol (`[banana]`) or as a code point (`U+4E2D`).
"""

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_NEVER_IN_A_FONT = "\U0010ffff"  # a noncharacter: every font answers it with its box for what it lacks

_PLAIN = {
    "\t": "    ", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u2022": "·", "\u2192": "->", "\u2190": "<-", "\u00d7": "x", "\u20ac": "EUR", "\u00a3": "GBP", "\u00a5": "JPY",
    "\u00df": "ss", "\u00c6": "AE", "\u00e6": "ae", "\u00d8": "O", "\u00f8": "o", "\u0141": "L", "\u0142": "l",
    "\u0110": "D", "\u0111": "d", "\u00d0": "D", "\u00f0": "d", "\u00de": "Th", "\u00fe": "th", "\u0131": "i",
    "\u0152": "OE", "\u0153": "oe", "\u00bf": "?", "\u00a1": "!", "\u201a": ",", "\u201e": "\u201c",
    "\u3002": ". ", "\u3001": ", ",
    **{chr(0x1F1E6 + nth): chr(ord("A") + nth) for nth in range(26)},  # the letters that flags are spelled with
}  # fmt: skip


class LegibleText:
    """Rewrites text for one font."""

    def __init__(self, font: "FreeTypeFont") -> None:
        self._font = font
        self._lacking = self._look(_NEVER_IN_A_FONT)
        self._rewrite = lru_cache(maxsize=4096)(self._written_out)

    def of(self, text: str) -> str:
        """`text` with every character the font lacks written out in ones it has; without empty lines."""
        lines = unicodedata.normalize("NFC", text).splitlines()
        return "\n".join(filter(None, (" ".join("".join(map(self._rewrite, line)).split()) for line in lines)))

    def has(self, character: str) -> bool:
        """Whether the font can draw this character; a glyph that looks like the box for what it lacks is none."""
        return self._look(character) != self._lacking

    def _look(self, character: str) -> tuple[bytes, float]:
        return bytes(self._font.getmask(character)), self._font.getlength(character)

    def _written_out(self, character: str) -> str:
        if character in _PLAIN:
            return _PLAIN[character]
        if character.isspace():
            return " "
        if _is_silent(character):
            return ""
        if unicodedata.category(character) == "Cs":
            return _name(character)  # half a surrogate pair: no font can even be asked
        if self.has(character):
            return character
        return self._without_marks(character) or _name(character)

    def _without_marks(self, character: str) -> str:
        parts = unicodedata.normalize("NFKD", character)
        letters = "".join(_PLAIN.get(part, part) for part in parts if not unicodedata.combining(part))
        return letters if all(map(self.has, letters)) else ""


def _is_silent(character: str) -> bool:
    """Accents left alone, joiners, variation selectors, skin tones and controls: nothing one would see."""
    return (
        unicodedata.combining(character) > 0
        or unicodedata.category(character) in ("Cc", "Cf")
        or "\ufe00" <= character <= "\ufe0f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    if name and unicodedata.category(character) in ("So", "Sm"):
        return f" [{name.lower()}] "
    return f" U+{ord(character):04X} "
