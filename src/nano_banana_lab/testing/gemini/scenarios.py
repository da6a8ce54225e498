"""Markers in a prompt that change the answer."""

import re
from collections import Counter
from dataclasses import dataclass, field

from nano_banana_lab.testing.gemini.refusals import BY_NAME

_MARKER = re.compile(r"\[\[(?P<name>[\w-]+)(?: (?!x\d+\]\])(?P<value>[^\]]+?))?(?: x(?P<times>\d+))?\]\]")

MEANINGS = {
    **{name: f"HTTP {refusal.code} {refusal.status}: {refusal.message[:60]}" for name, refusal in BY_NAME.items()},
    "html-502": "HTTP 502 with a page of HTML, as from a proxy on the way",
    "html-403": "HTTP 403 with a page of HTML, as from a proxy on the way",
    "redirect": "HTTP 302 to somewhere else",
    "disconnect": "the connection closes without an answer",
    "cut": "the connection closes in the middle of a successful answer",
    "empty": "200 with an empty body",
    "garbage": "200 with a body that is not JSON",
    "slow": "[[slow SECONDS]]: answer that much later",
    "hold": "[[hold NAME]]: answer once NAME is released",
    "prompt-blocked": "promptFeedback and no candidates",
    "no-image": "finish reason NO_IMAGE, no content",
    "image-other": "finish reason IMAGE_OTHER, an empty content, a finish message",
    "blocked": "finish reason IMAGE_SAFETY, null parts, safety ratings",
    "prohibited": "finish reason IMAGE_PROHIBITED_CONTENT, a role without parts",
    "recitation": "finish reason IMAGE_RECITATION",
    "refusal": "finish reason STOP and only words",
    "empty-parts": "finish reason STOP and no parts",
    "data-uri": "finish reason STOP and a picture as text",
    "max-tokens": "finish reason MAX_TOKENS, no picture",
    "missing-signature": "finish reason MISSING_THOUGHT_SIGNATURE, no picture",
    "finish": "[[finish REASON]]: a picture with that finish reason",
    "no-image-finish": "[[no-image-finish REASON]]: no picture, with that finish reason",
    "continuation": "finish reason CONTINUATION and a token, half a text, no picture",
    "unknown-finish": "a picture with a finish reason nobody has heard of",
    "thoughts": "thoughts in words and in pictures come first, also unasked",
    "thought-image": "the only picture is a thought",
    "three-images": "two drafts before the picture",
    "no-text": "the picture without words",
    "text-after": "words before and after the picture",
    "png": "the picture is a PNG",
    "mislabelled": "the picture is a JPEG, called a PNG",
    "unreadable": "what is called a picture is none",
    "urlsafe": "base64 in the URL-safe alphabet, without padding",
    "big": "the picture has 19.5 MB, the answer 26 MB",
    "weight": "[[weight BYTES]]: the picture has so many bytes more",
    "grounding": "web and picture searches, also unasked",
    "retiring": "modelStatus announces the end of the model",
    "odd-footnotes": "usage, ratings and grounding of the wrong types",
    "say": "[[say TEXT]]: these words, also where JSON was asked for",
    "too-few": "JSON with one prompt less than asked for",
    "too-many": "JSON with one prompt more than asked for",
    "repeated": "JSON with the same prompt again and again",
    "blank": "JSON with prompts in which nothing can be seen",
    "too-long": "JSON with prompts of more than 2000 characters",
    "echo": "JSON with the prompt itself, in capitals",
    "other-language": "JSON in English instead of Chinese, or the other way round",
    "wrong-schema": "JSON of another form",
    "prose": "JSON with words around it",
}
"""Every marker, and what it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """One `[[name value xN]]`."""

    name: str
    value: str = ""
    times: int | None = None


@dataclass(slots=True)
class Scenarios:
    """Which markers apply to a call: those of its prompt and those of the script, each as often as it says."""

    script: str = ""
    _counts: Counter[tuple[str, Marker]] = field(default_factory=Counter)

    def applying_to(self, prompt: str) -> dict[str, str]:
        """The value of each marker that applies now, by name; counts this call."""
        found = [*_markers(prompt), *_markers(self.script)]
        return {marker.name: marker.value for marker in found if self._applies(prompt, marker)}

    def clear(self) -> None:
        self.script = ""
        self._counts.clear()

    def _applies(self, prompt: str, marker: Marker) -> bool:
        self._counts[prompt, marker] += 1
        return marker.times is None or self._counts[prompt, marker] <= marker.times


def _markers(text: str) -> list[Marker]:
    return [
        Marker(name=found["name"], value=found["value"] or "", times=int(found["times"]) if found["times"] else None)
        for found in _MARKER.finditer(text)
    ]
