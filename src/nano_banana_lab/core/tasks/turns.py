"""Whose turn it is: those who have something waiting take turns, however much each of them has."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import Entry
from nano_banana_lab.core.tasks.keys import TURNS, ItemName, turn_key, waiting_index
from nano_banana_lab.core.tasks.task_book import TaskBook

A_FEW = 8
"""How many owners, and items of one, are looked at first: enough to find another one where somebody else was quicker."""

MANY = 100
"""How many of those behind them, or who have had no turn for long, are looked at in one go."""

IDLE_SECONDS = 60
"""Who has had no turn for so long may have nothing waiting; with something, they wait for those before them."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The owners whose turns come next, the next one first, and the `last` of them where more stand behind.

    `end` is behind everybody, whatever the clocks say.
    """

    owners: tuple[OwnerId, ...]
    last: Entry | None
    end: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The first few of an owner's items that may be begun now, and whether there is `nothing`, not even to be begun later."""

    now: tuple[ItemName, ...]
    nothing: bool


@dataclass(frozen=True, kw_only=True)
class Turns:
    """An owner who comes goes to the end of the line, and so does one whose item is begun.

    One of whom nothing may be begun yet is passed over and keeps the place; whoever finds nothing waiting at all takes the
    owner out. One who is not in the line although something waits has to wait for those who are, until `enter` is called
    for them the next time.
    """

    book: TaskBook

    async def line(self) -> Line:
        """Raises `StoreUnavailable`, as everything here."""
        page = await self.book.key_values.page(TURNS, limit=A_FEW, newest_first=False)
        owners = tuple([OwnerId(entry.member) for entry in page.entries])
        behind = (await self.book.key_values.page(TURNS, limit=1)).entries if page.has_more else page.entries[-1:]
        last = max((entry.score for entry in behind), default=0)
        return Line(
            owners=owners,
            last=page.entries[-1] if page.has_more else None,
            end=max(milliseconds(self.book.clock.now()), last + 1),
        )

    async def owners(self, line: Line) -> AsyncIterator[OwnerId]:
        """All of them, also those who stand behind."""
        for owner in line.owners:
            yield owner
        last = line.last
        while last is not None:
            page = await self.book.key_values.page(TURNS, limit=MANY, newest_first=False, after=last)
            for entry in page.entries:
                yield OwnerId(entry.member)
            last = page.entries[-1] if page.has_more else None

    async def waiting(self, owner: OwnerId, *, first: int = A_FEW) -> Waiting:
        """What of the owner waits; the `first` so many of it are looked at."""
        after_now = (milliseconds(self.book.clock.now()) + 1) * 1000
        page = await self.book.key_values.page(waiting_index(owner), limit=first, newest_first=False)
        now = tuple([ItemName.read(entry.member) for entry in page.entries if entry.score < after_now])
        return Waiting(now=now, nothing=not page.entries)

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
        if not (await self.waiting(owner, first=1)).nothing:
            await self.enter([owner])

    async def tidy(self) -> None:
        """Take out whose last item has been begun: nobody came with another ticket and found nothing waiting."""
        long_ago = milliseconds(self.book.clock.now()) - IDLE_SECONDS * 1000
        page = await self.book.key_values.page(TURNS, limit=MANY, newest_first=False, max_score=long_ago)
        for entry in page.entries:
            if (await self.waiting(OwnerId(entry.member), first=1)).nothing:
                await self.leave(OwnerId(entry.member))
