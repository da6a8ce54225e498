"""Have prompts written."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.generation.charges import may_be_charged
from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown
from nano_banana_lab.core.generation.ports import GenerationError
from nano_banana_lab.core.generation.prompt import checked_prompt, checked_text
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.prompts.library import Library
from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptWriter
from nano_banana_lab.core.prompts.prompt import Language, LibraryPrompt, VariationKind
from nano_banana_lab.core.prompts.spoken_in import spoken_in
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.store_watch import StoreWatch

MAX_STYLE_CHARACTERS = 200

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class WritePrompts:
    """Each call is paid for by somebody, so it runs to its end.

    One of a trial user's is counted, also when its answer was no use; not when it cannot have been charged.
    """

    writer: PromptWriter
    library: Library
    own: OwnPrompts
    trial: Trial
    admission: Admission
    paid_calls: PaidCalls
    stores: StoreWatch

    async def __call__(
        self, caller: Caller, *, category: str, style: str | None, count: int, language: Language
    ) -> list[LibraryPrompt]:
        """`count` new prompts of a category, kept in the caller's library.

        Raises `ValidationFailed` for an unknown category or language, or a style that is too long, `TooManyPrompts`,
        `PromptLimitReached`, `PromptPoolExhausted`, `Overloaded`, `ShuttingDown`, `StoreUnavailable`, and what `PromptWriter` raises; then nothing is kept.
        """
        self.library.check(language, category)
        style = checked_text(style or "", field="style", most=MAX_STYLE_CHARACTERS)
        await self.own.check_room(caller.owner, count)

        async def write_and_keep() -> list[LibraryPrompt]:
            drafts = await self.writer.write(
                category=category, style=style or None, count=count, language=language, api_key=caller.api_key
            )
            kept = self.own.prepared(drafts, category=category, style=style, language=language)
            await insist(lambda: self.own.keep(caller.owner, kept))
            return kept

        return await self._paid(caller, write_and_keep)

    async def enhance(self, caller: Caller, prompt: str, *, language: Language | None = None) -> str:
        """The same picture told better, in the prompt's own language unless another one is asked for. Raises the same."""
        prompt = checked_prompt(prompt)
        if language is not None:
            self.library.check(language)
        spoken = language or spoken_in(prompt)
        return await self._paid(caller, lambda: self.writer.enhance(prompt, language=spoken, api_key=caller.api_key))

    async def vary(self, caller: Caller, prompt: str, *, count: int, kind: VariationKind) -> list[str]:
        """Other pictures of the same idea, in the prompt's own language. Raises the same."""
        prompt = checked_prompt(prompt)
        spoken = spoken_in(prompt)
        return await self._paid(
            caller,
            lambda: self.writer.vary(prompt, count=count, kind=kind, language=spoken, api_key=caller.api_key),
        )

    async def _paid(self, caller: Caller, call: Callable[[], Awaitable[T]]) -> T:
        async def paid() -> T:
            async with (
                self.trial.prompt_call(caller.owner, own_key=caller.api_key is not None) as counted,
                self.admission.place(caller.owner),
            ):
                if self.paid_calls.closed:  # since this call began to wait
                    raise ShuttingDown
                await self.stores.require()
                counted.charged = True  # whatever happens from here on, unless the model's answer says otherwise
                try:
                    return await call()
                except GenerationError as error:
                    counted.charged = may_be_charged(error)
                    raise

        return await self.paid_calls.run(paid())
