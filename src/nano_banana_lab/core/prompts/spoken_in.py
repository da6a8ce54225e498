"""Which language a prompt is written in, as far as its letters tell."""

import re

from nano_banana_lab.core.prompts.prompt import Language

CHINESE = Language("zh")

_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_OTHER_WORD = re.compile(r"[^\W\d_\u3400-\u4dbf\u4e00-\u9fff]+")


def spoken_in(prompt: str) -> Language | None:
    """Chinese, or None for what only somebody who reads it can tell: English and French share their letters.

    Chinese has ideographs and no other letters but a few words of ASCII, fewer than it has ideographs, such as `4K`.
    Japanese that has no kana is taken for Chinese.
    """
    ideographs, others = _IDEOGRAPH.findall(prompt), _OTHER_WORD.findall(prompt)
    chinese = len(ideographs) > len(others) and all(map(str.isascii, others))
    return CHINESE if chinese else None
