"""A prompt writer that answers what a test tells it to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from inspect import isawaitable

import msgspec

from nano_banana_lab.core.generation.ports import GenerationError, NoApiKey
from nano_banana_lab.core.prompts.accept_answer import accept_drafts, accept_texts
from nano_banana_lab.core.prompts.ports import PromptDraft
from nano_banana_lab.core.prompts.prompt import Language, VariationKind
from nano_banana_lab.core.shared.secrets import ApiKey

OPERATOR_KEY = ApiKey("operator")
"""Pays for calls that bring no key."""


class WritingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call: `act` is `write`, `enhance` or `vary`, `payer` the key that pays; the rest is as it was asked."""

    act: str
    language: Language | None
    payer: ApiKey
    count: int = 1
    category: str | None = None
    style: str | None = None
    prompt: str | None = None
    kind: VariationKind | None = None


Answer = Sequence[str] | GenerationError
"""The texts a model wrote, which may be too few or otherwise no use, or what to raise."""

Step = Answer | Callable[[WritingRequest], Answer | Awaitable[Answer]]
"""What one call does: an answer, or a function, plain or async, that finds it."""


class ScriptedPromptWriter:
    """Plays one step of `script` per call, in the order in which calls begin, then writes prompts of its own.

    What it writes is in the language asked for (in English unless that is Chinese), says what was asked for,
    and no two prompts of one writer are alike. Texts of the script that are not what was asked for end as they would
    with a real model: in `UnusableAnswer`.

    `requests` are those seen so far, in order. Without an `api_key` only callers who bring their own are served.
    """

    def __init__(self, script: Iterable[Step] = (), *, api_key: ApiKey | None = OPERATOR_KEY) -> None:
        self._script = list(script)
        self._api_key = api_key
        self._released = asyncio.Event()
        self._released.set()
        self._next_call = asyncio.Event()
        self.requests: list[WritingRequest] = []

    def then(self, *steps: Step) -> None:
        """Add to the end of the script."""
        self._script.extend(steps)

    def hold(self) -> None:
        """From now on calls begin but do not end until `release`."""
        self._released.clear()

    def release(self) -> None:
        """Let every held call go on, and the calls to come run through."""
        self._released.set()

    async def calls_begun(self, count: int) -> None:
        """Return once `count` calls in all have begun, whether or not they have ended."""
        while len(self.requests) < count:
            await self._next_call.wait()

    async def write(
        self, *, category: str, style: str | None, count: int, language: Language, api_key: ApiKey | None
    ) -> list[PromptDraft]:
        payer = self._payer(api_key)
        request = WritingRequest(
            act="write", category=category, style=style, count=count, language=language, payer=payer
        )
        texts = await self._play(request)
        return accept_drafts([PromptDraft(text=text, description=category, tags=(category,)) for text in texts], count)

    async def enhance(self, prompt: str, *, language: Language | None, api_key: ApiKey | None) -> str:
        request = WritingRequest(act="enhance", prompt=prompt, language=language, payer=self._payer(api_key))
        (text,) = accept_texts(await self._play(request), 1, unlike=prompt)
        return text

    async def vary(
        self, prompt: str, *, count: int, kind: VariationKind, language: Language | None, api_key: ApiKey | None
    ) -> list[str]:
        payer = self._payer(api_key)
        request = WritingRequest(act="vary", prompt=prompt, kind=kind, count=count, language=language, payer=payer)
        return accept_texts(await self._play(request), count, unlike=prompt)

    def _payer(self, api_key: ApiKey | None) -> ApiKey:
        payer = api_key or self._api_key
        if payer is None:
            raise NoApiKey
        return payer

    async def _play(self, request: WritingRequest) -> Sequence[str]:
        nth, step = self._begin(request)
        await self._released.wait()
        found = step(request) if callable(step) else step
        answer = await found if isawaitable(found) else found
        if isinstance(answer, GenerationError):
            raise answer
        return answer if answer is not None else _own_texts(request, nth)

    def _begin(self, request: WritingRequest) -> tuple[int, Step | None]:
        self.requests.append(request)
        step = self._script.pop(0) if self._script else None
        self._next_call.set()
        self._next_call = asyncio.Event()
        return len(self.requests), step


def _own_texts(request: WritingRequest, nth: int) -> list[str]:
    words = (request.style, request.category, request.kind, request.prompt and request.prompt[:1900])
    subject = " ".join(filter(None, words))
    form = "第{nth}次第{number}幅画 {subject}" if request.language == "zh" else "picture {nth}.{number} of {subject}"
    return [form.format(nth=nth, number=number, subject=subject) for number in range(1, request.count + 1)]
