"""The prompts that ship and those an owner keeps."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.toml.starter_library import TomlStarterLibrary
from nano_banana_lab.core.prompts.library import Library, LibraryQuery
from nano_banana_lab.core.prompts.own_prompts import OwnPrompts
from nano_banana_lab.core.prompts.ports import PromptDraft
from nano_banana_lab.core.prompts.prompt import BuiltInPrompt, Language, LibraryPrompt, PromptNotFound, TooManyPrompts
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId

ALICE, BOB = OwnerId("alice"), OwnerId("bob")
STARTER = TomlStarterLibrary()
BUILT_IN = len(STARTER.prompts(Language("en")))
HARBOUR = PromptDraft(text=" a quiet Harbour ", description="Boats at dawn", tags=("sea", " sea ", "", "fog"))


class DeletesAfterReading(MemoryKeyValueStore):
    """Somebody deletes a prompt between the reading of it and what is done then."""

    prompts: OwnPrompts | None = None

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is not None and self.prompts is not None:
            prompts, self.prompts = self.prompts, None
            await prompts.delete(ALICE, key.rpartition("/")[2])
        return value


@pytest.fixture
def own(lab: Any) -> OwnPrompts:
    library = Library(starter=STARTER, key_values=lab.key_values)
    return OwnPrompts(library=library, key_values=lab.key_values, clock=lab.clock)


async def added(own: OwnPrompts, *texts: str, owner: OwnerId = ALICE, **about: Any) -> list[LibraryPrompt]:
    prompts = own.prepared([PromptDraft(text=text, description="") for text in texts], **about)
    await own.keep(owner, prompts)
    return prompts


async def listed(own: OwnPrompts, owner: OwnerId = ALICE, **query: Any) -> list[str]:
    page = await own.library(LibraryQuery(owner=owner, limit=200, **query))
    assert page.total == len(page.prompts)
    return [prompt.text for prompt in page.prompts]


async def test_at_first_there_is_what_ships(own: OwnPrompts) -> None:
    page = await own.library(LibraryQuery(owner=ALICE))

    assert (page.total, len(page.prompts), page.favorites) == (BUILT_IN, 50, frozenset())
    assert page.prompts[0] == STARTER.prompts(Language("en"))[0]
    assert sum(page.counts.values()) == BUILT_IN


async def test_an_own_prompt_is_kept_tidily_and_listed_first(own: OwnPrompts) -> None:
    [prompt] = own.prepared([HARBOUR])
    await own.keep(ALICE, [prompt])
    page = await own.library(LibraryQuery(owner=ALICE))

    assert (prompt.text, prompt.description, prompt.tags) == ("a quiet Harbour", "Boats at dawn", ("sea", "fog"))
    assert (prompt.category, prompt.style, prompt.language, prompt.built_in) == ("custom", "", "en", False)
    assert (page.prompts[0], page.total, page.counts["custom"]) == (prompt, BUILT_IN + 1, 1)


async def test_several_at_once_keep_their_order_and_the_newest_come_first(own: OwnPrompts, lab: Any) -> None:
    await added(own, "one", "two", "three")
    lab.clock.advance(1)
    await added(own, "later")

    assert (await listed(own))[:4] == ["later", "one", "two", "three"]


async def test_what_one_owner_keeps_nobody_else_sees(own: OwnPrompts) -> None:
    [prompt] = await added(own, "mine")

    assert "mine" not in await listed(own, BOB)
    for act in (own.delete, own.toggle_favorite, own.library.one):
        with pytest.raises(PromptNotFound):
            await act(BOB, prompt.id)


@pytest.mark.parametrize("search", ["HARBOUR", "boats", "fog quiet", "  sea  "])
async def test_every_word_of_a_search_occurs_in_what_is_told(own: OwnPrompts, search: str) -> None:
    await own.keep(ALICE, own.prepared([HARBOUR]))

    assert "a quiet Harbour" in await listed(own, search=search)
    assert "a quiet Harbour" not in await listed(own, search=f"{search} volcano")


async def test_by_category_and_language(own: OwnPrompts) -> None:
    await added(own, "my cat", category="animals")
    await added(own, "我的猫", category="animals", language=Language("zh"))
    english, chinese = [await listed(own, category="animals", language=Language(tag)) for tag in ("en", "zh")]

    assert (english[0], chinese[0]) == ("my cat", "我的猫")
    assert len(english) >= 13 <= len(chinese)
    assert "my cat" not in chinese


async def test_pages_follow_each_other(own: OwnPrompts) -> None:
    await added(own, "one", "two", "three")
    pages = [await own.library(LibraryQuery(owner=ALICE, limit=2, offset=at)) for at in (0, 2, BUILT_IN + 2)]

    assert [[prompt.text for prompt in page.prompts] for page in pages[:1]] == [["one", "two"]]
    assert pages[1].prompts[0].text == "three"
    assert (len(pages[2].prompts), pages[2].total) == (1, BUILT_IN + 3)


async def test_favourites_are_each_owners_own(own: OwnPrompts) -> None:
    built_in = STARTER.prompts(Language("en"))[0]
    [mine] = await added(own, "mine")
    marked = [await own.toggle_favorite(ALICE, each) for each in (built_in.id, mine.id)]

    assert marked == [True, True]
    assert await listed(own, favorites_only=True) == ["mine", built_in.text]
    assert await listed(own, BOB, favorites_only=True) == []
    assert await own.toggle_favorite(ALICE, mine.id) is False
    assert await listed(own, favorites_only=True) == [built_in.text]


async def test_each_toggle_of_many_at_once_counts(own: OwnPrompts) -> None:
    [mine] = await added(own, "mine")
    marked = await asyncio.gather(*(own.toggle_favorite(ALICE, mine.id) for _ in range(31)))

    assert (marked.count(True), marked.count(False)) == (16, 15)
    assert await own.library.favorites(ALICE) == {mine.id}


async def test_what_is_deleted_meanwhile_does_not_become_a_favourite(open_lab: Any) -> None:
    lab = open_lab()
    key_values = DeletesAfterReading(lab.clock)
    library = Library(starter=STARTER, key_values=key_values)
    own = OwnPrompts(library=library, key_values=key_values, clock=lab.clock)
    [mine] = await added(own, "mine")
    key_values.prompts = own

    with pytest.raises(PromptNotFound):
        await own.toggle_favorite(ALICE, mine.id)
    assert await library.favorites(ALICE) == frozenset()


async def test_a_deleted_prompt_is_gone_from_everywhere(own: OwnPrompts) -> None:
    [mine] = await added(own, "mine")
    await own.toggle_favorite(ALICE, mine.id)
    await own.delete(ALICE, mine.id)

    assert (await own.library.favorites(ALICE), "mine" in await listed(own)) == (frozenset(), False)
    with pytest.raises(PromptNotFound):
        await own.delete(ALICE, mine.id)


async def test_what_ships_cannot_be_deleted(own: OwnPrompts) -> None:
    with pytest.raises(BuiltInPrompt):
        await own.delete(ALICE, STARTER.prompts(Language("zh"))[0].id)


@pytest.mark.parametrize("missing", ["", "x", "0" * 32, "portrait-", "../x"])
async def test_what_is_not_there_is_not_found(own: OwnPrompts, missing: str) -> None:
    with pytest.raises(PromptNotFound):
        await own.toggle_favorite(ALICE, missing)


@pytest.mark.parametrize(
    ("draft", "about", "field"),
    [
        ({"text": "  "}, {}, "text"),
        ({"text": "x" * 2001}, {}, "text"),
        ({"text": "\ud800"}, {}, "text"),
        ({"description": "x" * 501}, {}, "description"),
        ({"description": "\ud800"}, {}, "description"),
        ({"tags": ("fine", "\udfff")}, {}, "tags.1"),
        ({"tags": tuple(map(str, range(21)))}, {}, "tags"),
        ({"tags": ("fine", "x" * 51)}, {}, "tags.1"),
        ({}, {"category": "cats"}, "category"),
        ({}, {"language": Language("xx")}, "language"),
    ],
)
def test_what_cannot_be_kept_is_named(own: OwnPrompts, draft: Any, about: Any, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        own.prepared([PromptDraft(**{"text": "fine", "description": ""} | draft)], **about)

    assert [error.field for error in caught.value.errors] == [field]


async def test_no_more_is_kept_than_there_is_room_for(own: OwnPrompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nano_banana_lab.core.prompts.own_prompts.MOST_PROMPTS", 3)
    _, gone = await added(own, "one", "two")
    await own.check_room(ALICE, 1)
    with pytest.raises(TooManyPrompts) as refused:
        await own.check_room(ALICE, 2)
    await own.check_room(BOB, 3)
    await own.delete(ALICE, gone.id)
    await own.check_room(ALICE, 2)

    assert refused.value.details == {"most": 3}


async def test_a_page_takes_no_more_memory_because_there_are_many_prompts(own: OwnPrompts, lab: Any) -> None:
    for _ in range(10):
        lab.clock.advance(1)
        await added(own, *["x" * 2000] * 300)
    tracemalloc.start()
    page = await own.library(LibraryQuery(owner=ALICE, offset=1500, limit=2))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (len(page.prompts), page.total) == (2, 3000 + BUILT_IN)
    assert most < 3_000_000


async def test_thousands_of_own_prompts_can_be_looked_through(own: OwnPrompts, lab: Any) -> None:
    for start in range(0, 3000, 300):
        lab.clock.advance(1)
        await added(own, *(f"number {number}" for number in range(start, start + 300)))

    found = await own.library(LibraryQuery(owner=ALICE, search="number 2999"))
    middle = await own.library(LibraryQuery(owner=ALICE, offset=1199, limit=2))
    last = await own.library(LibraryQuery(owner=ALICE, offset=2999, limit=2))
    assert ([prompt.text for prompt in found.prompts], found.counts["custom"]) == (["number 2999"], 3000)
    assert [prompt.text for prompt in middle.prompts] == ["number 2099", "number 1500"]
    assert [prompt.id for prompt in last.prompts][1] == STARTER.prompts(Language("en"))[0].id
    assert (await own.library.counts(ALICE, Language("en")))["custom"] == 3000
