"""Whose turn it is: those who have something waiting take turns, however much each of them has."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.tasks.keys import TURNS, ItemName, turn_key, waiting_index
from nano_banana_lab.core.tasks.task_book import TaskBook

A_FEW = 8
"""How many owners, and items of one, are looked at: enough to find another one where somebody else was quicker."""

MANY = 100
"""How many of those who have had no turn for long are looked at in one go."""

IDLE_SECONDS = 60
"""Who has had no turn for so long may have nothing waiting; with something, they wait for those before them."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The owners whose turns come next, the next one first; `end` is behind all of them, whatever the clocks say."""

    owners: tuple[OwnerId, ...]
    end: int


@dataclass(frozen=True, kw_only=True)
class Turns:
    """An owner who comes goes to the end of the line, and so does one whose item is begun.

    Whoever finds nothing waiting takes the owner out. One who is not in the line although something waits
    has to wait for those who are, until `enter` is called for them the next time.
    """

    book: TaskBook

    async def line(self) -> Line:
        """Raises `StoreUnavailable`, as everything here."""
        page = await self.book.key_values.page(TURNS, limit=A_FEW, newest_first=False)
        last = max((entry.score for entry in page.entries), default=0)
        owners = tuple([OwnerId(entry.member) for entry in page.entries])
        return Line(owners=owners, end=max(milliseconds(self.book.clock.now()), last + 1))

    async def waiting(self, owner: OwnerId) -> list[ItemName]:
        """The first few of the owner's items that may be begun now."""
        after_now = (milliseconds(self.book.clock.now()) + 1) * 1000
        page = await self.book.key_values.page(
            waiting_index(owner), limit=A_FEW, newest_first=False, max_score=after_now
        )
        return [ItemName.read(entry.member) for entry in page.entries]

    async def enter(self, owners: Iterable[OwnerId]) -> None:
        """Let them stand in the line; who does so keeps the place. To be called once their items wait."""
        coming = sorted(set(owners))
        standing = await self.book.key_values.get_many([turn_key(owner) for owner in coming])
        now = milliseconds(self.book.clock.now())
        for owner, stands in zip(coming, standing, strict=True):
            if stands is None:
                with contextlib.suppress(CommitRefused):  # somebody else was quicker
                    await self.book.key_values.commit(*self.book.moves.entering(owner, now))

    async def leave(self, owner: OwnerId) -> None:
        """Nothing of theirs waits; where something came meanwhile, without an `enter` since they stood there, they come back."""
        await self.book.key_values.commit(*self.book.moves.leaving(owner))
        if await self.waiting(owner):
            await self.enter([owner])

    async def tidy(self) -> None:
        """Take out whose last item has been begun: nobody came with another ticket and found nothing waiting."""
        long_ago = milliseconds(self.book.clock.now()) - IDLE_SECONDS * 1000
        page = await self.book.key_values.page(TURNS, limit=MANY, newest_first=False, max_score=long_ago)
        for entry in page.entries:
            if not await self.waiting(OwnerId(entry.member)):
                await self.leave(OwnerId(entry.member))
