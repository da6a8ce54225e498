"""The prompts an owner keeps: add some, let one go, mark favourites."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.prompt import checked_prompt, checked_text
from nano_banana_lab.core.prompts.keys import favorite_key, favorites_index, own_index, prompt_key
from nano_banana_lab.core.prompts.library import Library
from nano_banana_lab.core.prompts.ports import PromptDraft
from nano_banana_lab.core.prompts.prompt import (
    CUSTOM,
    ENGLISH,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    MOST_PROMPTS,
    BuiltInPrompt,
    Language,
    LibraryPrompt,
    PromptNotFound,
    TooManyPrompts,
)
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, IndexPut, IndexRemove, Operation, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

MARK = b"1"


@dataclass(frozen=True, kw_only=True)
class OwnPrompts:
    """What one owner keeps nobody else sees."""

    library: Library
    key_values: KeyValueStore
    clock: Clock

    def prepared(
        self,
        drafts: Sequence[PromptDraft],
        *,
        category: str = CUSTOM,
        style: str = "",
        language: Language = ENGLISH,
    ) -> list[LibraryPrompt]:
        """The drafts as prompts that can be kept, to be listed in their order.

        Raises `ValidationFailed` for a text, description, tag, category or language that cannot be kept.
        """
        self.library.check(language, category)
        now = milliseconds(self.clock.now())
        return [
            LibraryPrompt(
                id=new_id(),
                text=draft.text,
                description=draft.description,
                category=category,
                tags=draft.tags,
                style=style,
                language=language,
                # A millisecond apart, so that the first one is the newest.
                created_at=from_milliseconds(now - number),
            )
            for number, draft in enumerate(map(_checked, drafts))
        ]

    async def check_room(self, owner: OwnerId, count: int) -> None:
        """Raise `TooManyPrompts` when there is no room for so many more; raises `StoreUnavailable`.

        Nothing is locked: requests at the same time may all pass, so what is there may exceed the limit by what they bring.
        """
        if await self.key_values.count(own_index(owner)) + count > MOST_PROMPTS:
            raise TooManyPrompts(most=MOST_PROMPTS)

    async def keep(self, owner: OwnerId, prompts: Sequence[LibraryPrompt]) -> None:
        """Keep them all in one step, also where `check_room` would refuse; keeping the same ones again does no harm."""
        await self.key_values.commit(*(operation for each in prompts for operation in _keeping(owner, each)))

    async def delete(self, owner: OwnerId, id: str) -> None:
        """Raises `PromptNotFound`, and `BuiltInPrompt` for one that ships with the lab."""
        if (await self.library.one(owner, id)).built_in:
            raise BuiltInPrompt
        try:
            await self.key_values.commit(
                Delete(key=prompt_key(owner, id), if_present=True),
                IndexRemove(index=own_index(owner), member=id),
                *_forgetting(owner, id),
            )
        except CommitRefused:  # somebody was quicker
            raise PromptNotFound from None

    async def toggle_favorite(self, owner: OwnerId, id: str) -> bool:
        """Make it a favourite, or not one any more; says which. Of two at once, each counts. Raises `PromptNotFound`."""
        mark = Put(key=favorite_key(owner, id), value=MARK, if_absent=True)
        listed = IndexPut(index=favorites_index(owner), member=id, score=milliseconds(self.clock.now()))
        while True:
            there = await self._there(owner, id)
            try:
                await self.key_values.commit(mark, listed, *there)
            except CommitRefused:
                try:
                    await self.key_values.commit(*_forgetting(owner, id, if_present=True))
                except CommitRefused:  # somebody was quicker
                    continue
                return False
            return True

    async def _there(self, owner: OwnerId, id: str) -> list[Operation]:
        """What is refused once the prompt is gone; nothing for one that ships with the lab. Raises `PromptNotFound`."""
        if (await self.library.one(owner, id)).built_in:
            return []
        kept = await self.key_values.get(prompt_key(owner, id))
        if kept is None:
            raise PromptNotFound
        return [Put(key=prompt_key(owner, id), value=kept, if_equals=kept)]


def _checked(draft: PromptDraft) -> PromptDraft:
    tags = tuple(dict.fromkeys(filter(None, map(str.strip, draft.tags))))
    if len(tags) > MAX_TAGS:
        raise ValidationFailed.of("tags", "too_many", most=MAX_TAGS)
    for number, tag in enumerate(tags):
        checked_text(tag, field=f"tags.{number}", most=MAX_TAG_CHARACTERS)
    return PromptDraft(
        text=checked_prompt(draft.text, field="text"),
        description=checked_text(draft.description, field="description", most=MAX_DESCRIPTION_CHARACTERS),
        tags=tags,
    )


def _keeping(owner: OwnerId, prompt: LibraryPrompt) -> list[Operation]:
    score = milliseconds(prompt.created_at)
    return [
        Put(key=prompt_key(owner, prompt.id), value=msgspec.json.encode(prompt)),
        IndexPut(index=own_index(owner), member=prompt.id, score=score),
    ]


def _forgetting(owner: OwnerId, id: str, *, if_present: bool = False) -> list[Operation]:
    """That it is a favourite."""
    return [
        Delete(key=favorite_key(owner, id), if_present=if_present),
        IndexRemove(index=favorites_index(owner), member=id),
    ]
