"""Google's Gemini as a `PromptWriter`."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from nano_banana_lab.adapters.gemini.call import Call, usable
from nano_banana_lab.adapters.gemini.connection import GeminiConnection
from nano_banana_lab.adapters.gemini.instructions import Instructions, instructions_in
from nano_banana_lab.adapters.gemini.prompt_forms import (
    WrittenDrafts,
    WrittenText,
    WrittenTexts,
    read_words,
    schema_of_drafts,
    schema_of_text,
    schema_of_texts,
)
from nano_banana_lab.adapters.gemini.question import Question
from nano_banana_lab.core.prompts.accept_answer import accept_drafts, accept_texts
from nano_banana_lab.core.prompts.ports import PromptDraft, UnusableAnswer
from nano_banana_lab.core.prompts.prompt import Language, VariationKind
from nano_banana_lab.core.shared.secrets import ApiKey

if TYPE_CHECKING:
    from nano_banana_lab.adapters.gemini.client import GeminiClient

T = TypeVar("T")


class GeminiPromptWriter:
    """Writes prompts with one of Gemini's text models, for the operator's key or the caller's.

    `timeout` is the seconds for one answer, retries included; an `UpstreamTimeout` ends what takes longer.
    `retry_delays` are the seconds between attempts, repeated only after what cannot have been charged,
    as for `GeminiImageModel`; an answer that is no use has been charged, and is not asked for again.
    A `connection` is one to share with others; without it the writer has its own, to `base_url`.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        model_id: str = "gemini-3.8-flash",
        base_url: str | None = None,
        api_version: str = "v1beta",
        retry_delays: Sequence[float] = (2, 4, 8),
        timeout: float = 60.0,
        connection: GeminiConnection | None = None,
    ) -> None:
        self._api_key = api_key
        self._model_id = model_id
        self._retry_delays = tuple(retry_delays)
        self._timeout = timeout
        self._connection = connection or GeminiConnection(base_url=base_url, api_version=api_version)

    async def write(
        self, *, category: str, style: str | None, count: int, language: Language, api_key: ApiKey | None
    ) -> list[PromptDraft]:
        told = instructions_in(language)
        material = {"category": category} | ({"style": style} if style else {})
        question = Question(instruction=told.to_write(count), material=material, schema=schema_of_drafts(count))
        written = await self._ask(question, WrittenDrafts, api_key)
        drafts = accept_drafts([each.as_draft() for each in written.prompts], count)
        _insist_on_language(told, [draft.text for draft in drafts])
        return drafts

    async def enhance(self, prompt: str, *, language: Language | None, api_key: ApiKey | None) -> str:
        told = instructions_in(language)
        question = Question(instruction=told.to_enhance(), material={"prompt": prompt}, schema=schema_of_text())
        written = await self._ask(question, WrittenText, api_key)
        (text,) = _insist_on_language(told, accept_texts([written.prompt], 1, unlike=prompt))
        return text

    async def vary(
        self, prompt: str, *, count: int, kind: VariationKind, language: Language | None, api_key: ApiKey | None
    ) -> list[str]:
        told = instructions_in(language)
        question = Question(
            instruction=told.to_vary(count, kind), material={"prompt": prompt}, schema=schema_of_texts(count)
        )
        written = await self._ask(question, WrittenTexts, api_key)
        return _insist_on_language(told, accept_texts(written.prompts, count, unlike=prompt))

    async def warm_up(self) -> None:
        """Do ahead of the first request what makes it slow; never fails, costs nothing."""
        await self._connection.warm_up()

    async def aclose(self) -> None:
        """Close every connection to the service, those of a shared `connection` too; it opens again when needed."""
        await self._connection.aclose()

    async def _ask(self, question: Question, form: type[T], api_key: ApiKey | None) -> T:
        key = usable(api_key or self._api_key)
        body = await self._connection.ask(
            partial(self._attempt, question, key), seconds=self._timeout, retry_delays=self._retry_delays
        )
        return read_words(body, form, model=self._model_id)

    async def _attempt(self, question: Question, key: ApiKey, client: "GeminiClient", seconds: float) -> bytearray:
        call = Call(model=self._model_id, successor=None, key=key, seconds=seconds)
        return await client.ask_for_words(call, question)


def _insist_on_language(told: Instructions, texts: list[str]) -> list[str]:
    if not all(map(told.is_written_in, texts)):
        raise UnusableAnswer
    return texts
