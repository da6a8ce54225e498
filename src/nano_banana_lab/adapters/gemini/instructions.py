"""What the prompt writer is told, in the language it is to write in; the words themselves are in `instructions.toml`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from nano_banana_lab.core.prompts.prompt import ENGLISH, Language, VariationKind

_TAG = re.compile(r"[A-Za-z0-9-]{1,35}")
_THE_PROMPTS_OWN = "the language in which the `prompt` in the material is written"


class Instructions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; its fields are explained at the top of it."""

    language: str
    letters: str
    rules: str
    write: str
    enhance: str
    vary: str
    kinds: Mapping[VariationKind, str]

    def to_write(self, count: int) -> str:
        return self._with_rules(self.write, count=count)

    def to_enhance(self) -> str:
        return self._with_rules(self.enhance)

    def to_vary(self, count: int, kind: VariationKind) -> str:
        return self._with_rules(self.vary, count=count, kind=self.kinds[kind])

    def is_written_in(self, text: str) -> bool:
        """Whether `text` has a letter of the language; more cannot be told without another model."""
        return bool(re.search(self.letters, text))

    def _with_rules(self, task: str, **values: str | int) -> str:
        return f"{self.rules}\n\n{task}".format(language=self.language, **values)


def instructions_in(language: Language | None) -> Instructions:
    """Those of this language; for one that has none the English ones, which then ask for that language by its tag.

    With None the English ones, which ask for the language of the prompt: the model knows more of them than we could tell apart.
    Raises ValueError for what cannot be a tag.
    """
    if language is None:
        return _english_asking_for(_THE_PROMPTS_OWN)
    if not _TAG.fullmatch(language):
        raise ValueError("not a language tag")
    known = _instructions()
    if language in known:
        return known[language]
    return _english_asking_for(f'the language with the tag "{language}" (RFC 5646)')


def _english_asking_for(language: str) -> Instructions:
    return msgspec.structs.replace(_instructions()[ENGLISH], language=language, letters="")


@cache
def _instructions() -> Mapping[Language, Instructions]:
    words = files(__package__).joinpath("instructions.toml").read_bytes()
    return msgspec.toml.decode(words, type=dict[Language, Instructions])
