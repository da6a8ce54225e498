"""What every `PromptWriter` promises, and the writers that keep it.

A binding gives the suite a `writer` with a key of its own and a `keyless` one, and these hooks:
`answer_with` makes the next call end in an `Outcome` (spoilt answers hold three prompts, or should),
`never_answer` makes the calls to come wait for an answer that does not arrive, `until_asked` waits until one does,
`calls` counts those that reached whoever answers, `payer_of` tells which key paid,
and `was_told` whether words reached whoever answers.
"""

import asyncio
import re
import traceback
from enum import StrEnum

import pytest

from nano_banana_lab.adapters.gemini.prompt_writer import GeminiPromptWriter
from nano_banana_lab.core.generation.ports import (
    ContentBlocked,
    GenerationError,
    InvalidApiKey,
    NoApiKey,
    UpstreamRateLimited,
)
from nano_banana_lab.core.prompts.ports import PromptWriter, UnusableAnswer
from nano_banana_lab.core.prompts.prompt import (
    CATEGORIES,
    ENGLISH,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    MAX_TEXT_CHARACTERS,
    Language,
    VariationKind,
)
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.testing.gemini import running_gemini
from nano_banana_lab.testing.gemini.requests import fingerprint
from nano_banana_lab.testing.scripted_prompt_writer import ScriptedPromptWriter

CHINESE = Language("zh")
HAN = re.compile("[\u4e00-\u9fff]")
OPERATOR = "AIzaSy-operator-0123456789"


class Outcome(StrEnum):
    """What may become of a call."""

    TOO_FEW = "too few"
    REPEATED = "repeated"
    BLANK = "blank"
    OVERLONG = "overlong"
    ECHO = "the prompt itself"
    KEY_REFUSED = "key refused"
    RATE_LIMITED = "rate limited"
    BLOCKED = "blocked"


SPOILT = [Outcome.TOO_FEW, Outcome.REPEATED, Outcome.BLANK, Outcome.OVERLONG]
REFUSED = [
    (Outcome.KEY_REFUSED, InvalidApiKey),
    (Outcome.RATE_LIMITED, UpstreamRateLimited),
    (Outcome.BLOCKED, ContentBlocked),
]


async def write(writer: PromptWriter, count=3, *, category="landscape", style=None, language=ENGLISH, api_key=None):
    return await writer.write(category=category, style=style, count=count, language=language, api_key=api_key)


async def enhance(writer: PromptWriter, prompt="a cat", *, language=ENGLISH, api_key=None):
    return await writer.enhance(prompt, language=language, api_key=api_key)


async def vary(
    writer: PromptWriter, count=3, *, prompt="a cat", kind=VariationKind.MOOD, language=ENGLISH, api_key=None
):
    return await writer.vary(prompt, count=count, kind=kind, language=language, api_key=api_key)


async def failure(call) -> GenerationError:
    with pytest.raises(GenerationError) as raised:
        await call
    return raised.value


def alike(text: str) -> str:
    return "".join(text.split()).casefold()


def key_of(category: str) -> str:
    return f"key-of-{category}"


class PromptWriterContract:
    """The promises. A subclass provides the fixtures `writer` and `keyless`, and the hooks."""

    @pytest.mark.parametrize("count", [1, 30])
    async def test_writes_exactly_as_many_prompts_as_asked_for(self, writer, count):
        assert count == len(await write(writer, count))

    @pytest.mark.parametrize("count", [1, 10])
    async def test_varies_exactly_as_often_as_asked_for(self, writer, count):
        assert count == len(await vary(writer, count))

    async def test_no_two_prompts_are_alike(self, writer):
        texts = [draft.text for draft in await write(writer, 30)]

        assert len(set(map(alike, texts))) == 30

    async def test_no_two_variations_are_alike_and_none_is_the_prompt(self, writer):
        texts = await vary(writer, 10, prompt="a cat")

        assert len({alike(text) for text in [*texts, "a cat"]}) == 11

    async def test_an_enhanced_prompt_is_another_one(self, writer):
        assert alike(await enhance(writer, "a cat")) != "acat"

    @pytest.mark.parametrize("category", CATEGORIES)
    async def test_drafts_of_every_category_keep_within_the_limits(self, writer, category):
        for draft in await write(writer, category=category, style="ink"):
            assert 1 <= len(draft.text) <= MAX_TEXT_CHARACTERS
            assert len(draft.description) <= MAX_DESCRIPTION_CHARACTERS
            assert len(draft.tags) <= MAX_TAGS
            assert all(1 <= len(tag) <= MAX_TAG_CHARACTERS for tag in draft.tags)

    async def test_a_very_long_prompt_is_enhanced_and_varied_within_the_limit(self, writer):
        longest = "a cat " * 333

        texts = [await enhance(writer, longest), *await vary(writer, prompt=longest)]
        assert all(1 <= len(text) <= MAX_TEXT_CHARACTERS for text in texts)

    async def test_writes_in_english(self, writer):
        texts = [draft.text for draft in await write(writer)] + await vary(writer) + [await enhance(writer)]

        assert [text for text in texts if HAN.search(text)] == []

    async def test_writes_in_chinese(self, writer):
        texts = [draft.text for draft in await write(writer, language=CHINESE)]
        texts += await vary(writer, language=CHINESE)
        texts += [await enhance(writer, language=CHINESE)]

        assert [text for text in texts if not HAN.search(text)] == []

    async def test_writes_when_the_prompts_own_language_is_wanted(self, writer):
        texts = [await enhance(writer, "고양이 한 마리", language=None), *await vary(writer, language=None)]

        assert len({*texts, "고양이 한 마리"}) == len(texts) + 1

    @pytest.mark.parametrize("kind", VariationKind)
    async def test_the_kind_of_variation_is_passed_on(self, writer, kind):
        await vary(writer, kind=kind)

        assert self.was_told(writer, kind)

    async def test_category_style_and_prompt_are_passed_on(self, writer):
        await write(writer, category="architecture", style="woodcut in two colours")
        await enhance(writer, "a cat on a mat")
        await vary(writer, prompt="a dog in a bog")

        told = ["architecture", "woodcut in two colours", "a cat on a mat", "a dog in a bog"]
        assert [words for words in told if not self.was_told(writer, words)] == []

    async def test_twenty_calls_at_once_are_paid_by_their_own_keys(self, writer):
        categories = [f"category {number}" for number in range(20)]

        drafts = await asyncio.gather(
            *(write(writer, category=each, api_key=ApiKey(key_of(each))) for each in categories)
        )
        assert [len(each) for each in drafts] == [3] * 20
        assert [key_of(each) for each in categories] == [self.payer_of(writer, each) for each in categories]

    async def test_the_operators_key_pays_unless_the_caller_brings_one(self, writer):
        await write(writer, category="mine")
        await write(writer, category="mine")

        assert self.payer_of(writer, "mine") == OPERATOR

    @pytest.mark.parametrize("act", [write, enhance, vary])
    async def test_without_any_key_nobody_is_asked(self, keyless, act):
        raised = await failure(act(keyless))

        assert NoApiKey is type(raised)
        assert self.calls(keyless) == 0

    @pytest.mark.parametrize("act", [write, enhance, vary])
    async def test_a_lab_without_a_key_of_its_own_serves_callers_who_bring_theirs(self, keyless, act):
        assert await act(keyless, api_key=ApiKey("caller"))

    @pytest.mark.parametrize("outcome", SPOILT)
    @pytest.mark.parametrize("act", [write, vary])
    async def test_an_answer_that_is_not_what_was_asked_for_is_unusable(self, writer, act, outcome):
        self.answer_with(writer, outcome)

        raised = await failure(act(writer))
        assert UnusableAnswer is type(raised)
        assert raised.details == {"reason": "unusable_answer"}
        assert self.calls(writer) == 1

    @pytest.mark.parametrize("outcome", [Outcome.BLANK, Outcome.OVERLONG, Outcome.ECHO])
    async def test_an_enhanced_prompt_that_is_none_is_unusable(self, writer, outcome):
        self.answer_with(writer, outcome)

        raised = await failure(enhance(writer))
        assert UnusableAnswer is type(raised)
        assert raised.details == {"reason": "unusable_answer"}

    async def test_the_prompt_itself_is_not_a_variation_of_it(self, writer):
        self.answer_with(writer, Outcome.ECHO)

        assert (await failure(vary(writer, 1))).details == {"reason": "unusable_answer"}

    @pytest.mark.parametrize(("outcome", "error"), REFUSED)
    @pytest.mark.parametrize("act", [write, enhance, vary])
    async def test_a_refusal_is_told_for_what_it_is_after_one_call(self, writer, act, outcome, error):
        self.answer_with(writer, outcome)

        assert error is type(await failure(act(writer)))
        assert self.calls(writer) == 1

    @pytest.mark.parametrize("outcome", Outcome)
    async def test_neither_key_nor_answer_is_in_an_error_or_a_log(self, writer, caplog, outcome):
        caplog.set_level("DEBUG")
        self.answer_with(writer, outcome)

        raised = await failure(vary(writer, api_key=ApiKey("AIzaSy-caller-0123456789")))
        told = "".join(traceback.format_exception(raised)) + repr(raised.details) + caplog.text
        assert [words for words in (OPERATOR, "AIzaSy-caller", "A CAT") if words in told] == []
        assert (raised.__cause__, raised.__context__) == (None, None)

    async def test_a_cancelled_call_ends_at_once(self, writer):
        self.never_answer(writer)
        call = asyncio.create_task(write(writer))
        await self.until_asked(writer)

        call.cancel()

        async with asyncio.timeout(30):  # only so that a broken promise fails instead of hanging
            with pytest.raises(asyncio.CancelledError):
                await call


class TestScriptedPromptWriter(PromptWriterContract):
    @pytest.fixture
    def writer(self):
        return ScriptedPromptWriter(api_key=ApiKey(OPERATOR))

    @pytest.fixture
    def keyless(self):
        return ScriptedPromptWriter(api_key=None)

    def answer_with(self, writer, outcome):
        steps = {
            Outcome.TOO_FEW: ["one picture", "another picture"],
            Outcome.REPEATED: ["a picture", " A  Picture", "a\tpicture"],
            Outcome.BLANK: [" \u200b\n", "a picture", "another picture"],
            Outcome.OVERLONG: ["x" * 2001] * 3,
            Outcome.ECHO: ["A CAT"] * 3,
            Outcome.KEY_REFUSED: InvalidApiKey(),
            Outcome.RATE_LIMITED: UpstreamRateLimited(),
            Outcome.BLOCKED: ContentBlocked(reason="SAFETY"),
        }
        writer.then(steps[outcome])

    def never_answer(self, writer):
        writer.hold()

    async def until_asked(self, writer):
        await writer.calls_begun(1)

    def calls(self, writer):
        return len(writer.requests)

    def payer_of(self, writer, category):
        return next(seen.payer.reveal() for seen in writer.requests if seen.category == category)

    def was_told(self, writer, words):
        return any(words in (seen.category, seen.style, seen.prompt, seen.kind) for seen in writer.requests)


MARKERS = {
    Outcome.TOO_FEW: "too-few",
    Outcome.REPEATED: "repeated",
    Outcome.BLANK: "blank",
    Outcome.OVERLONG: "too-long",
    Outcome.ECHO: "echo",
    Outcome.KEY_REFUSED: "suspended-key",
    Outcome.RATE_LIMITED: "429",
    Outcome.BLOCKED: "prompt-blocked",
}


@pytest.fixture(scope="module")
def double():
    with running_gemini() as double:
        yield double


class TestGeminiPromptWriter(PromptWriterContract):
    """The real google-genai client against the HTTP double."""

    @pytest.fixture
    async def writer(self, double):
        double.clear()
        self.double = double
        writer = GeminiPromptWriter(api_key=ApiKey(OPERATOR), base_url=double.url)
        yield writer
        await writer.aclose()
        double.clear()

    @pytest.fixture
    async def keyless(self, double):
        double.clear()
        self.double = double
        writer = GeminiPromptWriter(api_key=None, base_url=double.url)
        yield writer
        await writer.aclose()

    def answer_with(self, writer, outcome):
        self.double.script(f"[[{MARKERS[outcome]}]]")

    def never_answer(self, writer):
        self.double.script("[[hold forever]]")

    async def until_asked(self, writer):
        await self.double.until(lambda seen: len(seen) > 0)

    def calls(self, writer):
        return len(self.double.requests)

    def payer_of(self, writer, category):
        seen = next(seen.key_sha256 for seen in self.double.requests if f'"{category}"' in seen.prompt)
        known = [key for key in (OPERATOR, key_of(category)) if fingerprint(key) == seen]
        return known[0] if known else "somebody else's"

    def was_told(self, writer, words):
        return any(words in str(seen.body) for seen in self.double.requests)
