"""What a text model writes: JSON that follows the schema of the request, with prompts that could be real ones.

The same request always gives the same prompts, another request others, and no two of one answer are alike.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Any

import msgspec

_MARKERS = re.compile(r"\s*\[\[[^\]]*\]\]\s*")
_HAN = re.compile("[\u4e00-\u9fff]")
_LONGEST = 1500


class Phrases(msgspec.Struct, frozen=True):
    """One language of `phrases.toml`."""

    join: str
    end: str
    ask: str
    with_style: str
    description: str
    subjects: list[str]
    scenes: list[str]
    lights: list[str]
    colours_and_moods: list[str]
    viewpoints: list[str]
    moods: list[str]
    tags: list[str]


def written(schema: Mapping[str, Any], *, instruction: str, material: str, markers: Mapping[str, str]) -> str:
    """JSON of that schema, in Chinese when the instruction is, spoilt as the markers say."""
    chinese = bool(_HAN.search(instruction)) != ("other-language" in markers)
    writer = _Writer(_phrases()["zh" if chinese else "en"], _material(material), markers)
    return writer.spoilt(writer.value_of(schema, "prompt"))


def _material(text: str) -> Mapping[str, str]:
    """The request's JSON object, or its plain words as a prompt; without the markers."""
    try:
        found = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        found = {"prompt": text}
    return {name: _MARKERS.sub(" ", value).strip() for name, value in found.items()}


class _Writer:
    """Puts together one answer: objects, lists and texts; every other kind of value is a text to it."""

    def __init__(self, phrases: Phrases, material: Mapping[str, str], markers: Mapping[str, str]) -> None:
        self._phrases = phrases
        self._material = material
        self._markers = markers
        self._numbers = self._drawn()

    def value_of(self, schema: Mapping[str, Any], name: str) -> Any:
        kind = str(schema.get("type", "string")).lower()
        if kind == "object":
            return {key: self.value_of(each, key) for key, each in (schema.get("properties") or {}).items()}
        return self._list(schema, name) if kind == "array" else self._text(name)

    def spoilt(self, value: Any) -> str:
        if "wrong-schema" in self._markers:
            value = {"answers": value}
        text = msgspec.json.encode(value).decode()
        return f"Here you are:\n```json\n{text}\n```" if "prose" in self._markers else text

    def _list(self, schema: Mapping[str, Any], name: str) -> list[Any]:
        if name == "tags":
            return [*filter(None, [self._material.get("category")]), *self._phrases.tags]
        wanted = int(schema.get("minItems") or 3) + ("too-many" in self._markers) - ("too-few" in self._markers)
        items = [self.value_of(schema.get("items") or {}, name) for _ in range(wanted)]
        return items[:1] * len(items) if "repeated" in self._markers else items

    def _text(self, name: str) -> str:
        number = next(self._numbers)
        if name == "description":
            return self._phrases.description.format(mood=_nth(self._phrases.moods, number))
        if "blank" in self._markers:
            return " \u200b "
        if "echo" in self._markers:
            return self._material.get("prompt", "").upper()
        text = self._prompt(number)
        return text + text[-1] * 2000 if "too-long" in self._markers else text

    def _prompt(self, number: int) -> str:
        said, words = self._phrases, self._material
        first = said.ask.format(subject=_nth(said.subjects, number))
        head = words["prompt"][:_LONGEST].rstrip(".。") if words.get("prompt") else first
        if words.get("style"):
            head = said.with_style.format(text=head, style=words["style"][:100])
        rest = (said.scenes, said.lights, said.colours_and_moods, said.viewpoints)
        return said.join.join([head, *(_nth(phrases, number) for phrases in rest)]) + said.end

    def _drawn(self) -> Iterator[int]:
        """Numbers from one that depends on the material on."""
        digest = hashlib.sha256(repr(sorted(self._material.items())).encode()).digest()
        return count(int.from_bytes(digest[:4], "big"))


def _nth(phrases: list[str], number: int) -> str:
    return phrases[number % len(phrases)]


@cache
def _phrases() -> Mapping[str, Phrases]:
    return msgspec.toml.decode(files(__package__).joinpath("phrases.toml").read_bytes(), type=dict[str, Phrases])
