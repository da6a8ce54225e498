"""Find kept pictures again: one by its id, or a page of them."""

import unicodedata
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from nano_banana_lab.core.history.keys import id_in_key, listing, record_key
from nano_banana_lab.core.history.picture import ImageNotFound, Mode, Picture, decode_picture
from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, is_id
from nano_banana_lab.core.storage.operations import MAX_AT_ONCE
from nano_banana_lab.core.storage.ports import Entry, KeyValueStore

SCAN_CHUNK = 1000


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of an owner's pictures, in which order.

    `mode` None means everything that was generated, uploads left out.
    `search` matches a part of the prompt, letter case ignored.
    `date_from` is inclusive, `date_to` exclusive. `after` continues behind that entry of an earlier page.
    """

    owner: OwnerId
    mode: Mode | None = None
    search: str | None = None
    newest_first: bool = True
    date_from: datetime | None = None
    date_to: datetime | None = None
    after: Entry | None = None
    offset: int = 0
    limit: int = 20


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some pictures; `total` is how many match in all, `last` the entry to continue behind (None at the end)."""

    pictures: tuple[Picture, ...]
    total: int
    has_more: bool
    last: Entry | None = None


class _Searchable(msgspec.Struct):
    prompt: str


_searchable = msgspec.json.Decoder(_Searchable)


@dataclass(frozen=True, kw_only=True)
class FindPictures:
    """Looks pictures up in the index; never touches the blobs."""

    key_values: KeyValueStore

    async def one(self, owner: OwnerId, id: str) -> Picture:
        """The owner's picture with this id. Raises `ImageNotFound`, also for another owner's picture."""
        record = await self.key_values.get(record_key(owner, id)) if is_id(id) else None
        if record is None:
            raise ImageNotFound
        return decode_picture(record)

    async def many(self, owner: OwnerId, ids: Sequence[str]) -> dict[str, Picture]:
        """Those of the ids that the owner has, by id; the others are passed over."""
        found = dict[str, Picture]()
        for some in (ids[at : at + MAX_AT_ONCE] for at in range(0, len(ids), MAX_AT_ONCE)):
            records = await self.key_values.get_many([record_key(owner, each) for each in some])
            found |= {picture.id: picture for picture in map(decode_picture, filter(None, records))}
        return found

    async def by_key(self, owner: OwnerId, key: str) -> Picture:
        """The owner's picture with this key. Raises `ImageNotFound`, also for another owner's picture."""
        picture = await self.one(owner, id_in_key(key))
        if picture.key != key:
            raise ImageNotFound
        return picture

    async def __call__(self, query: HistoryQuery) -> HistoryPage:
        """A page of what matches."""
        return await (self._search(query, _folded(query.search)) if query.search else self._list(query))

    async def _list(self, query: HistoryQuery) -> HistoryPage:
        index, lowest, highest = _range(query)
        page = await self.key_values.page(
            index,
            limit=query.limit,
            newest_first=query.newest_first,
            after=query.after,
            offset=query.offset,
            min_score=lowest,
            max_score=highest,
        )
        total = await self.key_values.count(index, min_score=lowest, max_score=highest)
        return await self._page(query.owner, page.entries, total=total, has_more=page.has_more)

    async def _search(self, query: HistoryQuery, wanted: str) -> HistoryPage:
        """Read every prompt once; the pages between are awaited, so nobody else waits for the whole search."""
        total, skip, shown = 0, query.offset, list[Entry]()
        has_more = False
        async for entry in self._matches(query, wanted):
            total += 1
            if not _follows(entry, query):
                continue
            if skip:
                skip -= 1
            elif len(shown) < query.limit:
                shown.append(entry)
            else:
                has_more = True
        return await self._page(query.owner, tuple(shown), total=total, has_more=has_more)

    async def _matches(self, query: HistoryQuery, wanted: str) -> AsyncIterator[Entry]:
        index, lowest, highest = _range(query)
        after: Entry | None = None
        while True:
            page = await self.key_values.page(
                index,
                limit=SCAN_CHUNK,
                newest_first=query.newest_first,
                after=after,
                min_score=lowest,
                max_score=highest,
            )
            records = await self.key_values.get_many([record_key(query.owner, entry.member) for entry in page.entries])
            for entry, record in zip(page.entries, records, strict=True):
                if record is not None and wanted in _folded(_searchable.decode(record).prompt):
                    yield entry
            if not page.has_more:
                return
            after = page.entries[-1]

    async def _page(self, owner: OwnerId, entries: tuple[Entry, ...], *, total: int, has_more: bool) -> HistoryPage:
        records = await self.key_values.get_many([record_key(owner, entry.member) for entry in entries])
        return HistoryPage(
            pictures=tuple(decode_picture(record) for record in records if record is not None),
            total=total,
            has_more=has_more,
            last=entries[-1] if has_more else None,
        )


def _folded(text: str) -> str:
    """What is compared: letter case ignored, and an accent is the same however it is encoded."""
    return unicodedata.normalize("NFC", text.casefold())


def _range(query: HistoryQuery) -> tuple[str, int | None, int | None]:
    lowest = milliseconds(query.date_from) if query.date_from else None
    highest = milliseconds(query.date_to) if query.date_to else None
    return listing(query.owner, query.mode), lowest, highest


def _follows(entry: Entry, query: HistoryQuery) -> bool:
    if query.after is None:
        return True
    return entry < query.after if query.newest_first else entry > query.after
