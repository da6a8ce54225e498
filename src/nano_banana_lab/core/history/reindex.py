"""Rebuild the history from what is in the blob store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum

from nano_banana_lab.core.history.bookkeeping import entering, leaving
from nano_banana_lab.core.history.keys import PICTURES, SUFFIXES, TRASH, listing, record_key
from nano_banana_lab.core.history.picture import Mode, Picture, decode_picture
from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import CommitRefused
from nano_banana_lab.core.storage.ports import BlobNotFound, BlobStore, KeyValueStore, pages, read_blob

AT_ONCE = 16


class Trouble(StrEnum):
    """What can be wrong with a file."""

    NO_SIDECAR = "picture without a sidecar"
    NO_PICTURE = "sidecar without a picture"
    UNREADABLE_SIDECAR = "sidecar that cannot be read"
    UNKNOWN_FILE = "file that is neither a picture nor a sidecar"


@dataclass(kw_only=True)
class ReindexReport:
    """What was found: records entered anew, already there, or without a picture, and files with their trouble."""

    restored: int = 0
    present: int = 0
    ghosts: int = 0
    owners: set[OwnerId] = field(default_factory=set)
    troubles: list[tuple[str, Trouble]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Reindex:
    """Enters every picture that has a sidecar and no record, and takes out every record whose picture is gone.

    Safe beside a running lab and when repeated.
    """

    blobs: BlobStore
    key_values: KeyValueStore

    async def __call__(self) -> ReindexReport:
        """Go through every file once. A picture that is being saved or deleted meanwhile may be reported as incomplete.

        Raises `StoreUnavailable`; what was restored until then stays.
        """
        report, batch, seen = ReindexReport(), list[list[str]](), set[str]()
        deleted = {entry.member async for page in pages(self.key_values, TRASH) for entry in page}
        async for keys in self._stems():
            if deleted.intersection(keys):
                continue
            seen.update(keys)
            batch.append(keys)
            if len(batch) == AT_ONCE:
                await asyncio.gather(*(self._look_at(group, report) for group in batch))
                batch.clear()
        await asyncio.gather(*(self._look_at(group, report) for group in batch))
        for owner in sorted(report.owners):
            await self._take_out_ghosts(owner, seen, report)
        report.troubles.sort()
        return report

    async def _stems(self) -> AsyncIterator[list[str]]:
        """The keys of one name with any suffixes; they are neighbours because the listing is in order."""
        group: list[str] = []
        async for blob in self.blobs.list(PICTURES):
            if group and _stem(blob.key) != _stem(group[0]):
                yield group
                group = []
            group.append(blob.key)
        if group:
            yield group

    async def _look_at(self, keys: list[str], report: ReindexReport) -> None:
        sidecars = [key for key in keys if key.endswith(".json")]
        pictures = [key for key in keys if key.endswith(tuple(SUFFIXES.values()))]
        report.troubles += [(key, Trouble.UNKNOWN_FILE) for key in keys if key not in sidecars + pictures]
        if not sidecars:
            report.troubles += [(key, Trouble.NO_SIDECAR) for key in pictures]
        for sidecar in sidecars:
            await self._restore(sidecar, pictures, report)

    async def _restore(self, sidecar: str, pictures: list[str], report: ReindexReport) -> None:
        try:
            picture = decode_picture(await read_blob(self.blobs, sidecar))
            if picture.key in pictures:
                await self._enter(picture, sidecar, report)
                report.owners.add(picture.owner)
            else:
                report.troubles.append((sidecar, Trouble.NO_PICTURE))
        except BlobNotFound:
            return  # deleted since it was listed
        except (ValueError, RecursionError):  # not our JSON, or with names and numbers that no store takes
            report.troubles.append((sidecar, Trouble.UNREADABLE_SIDECAR))

    async def _enter(self, picture: Picture, sidecar: str, report: ReindexReport) -> None:
        try:
            await self.key_values.commit(*entering(picture))
        except CommitRefused:
            report.present += 1
            return
        try:
            await self.blobs.head(sidecar)
            report.restored += 1
        except BlobNotFound:  # deleted between our reading the sidecar and entering the record
            await self._take_out(picture)

    async def _take_out_ghosts(self, owner: OwnerId, seen: set[str], report: ReindexReport) -> None:
        """A store that lost its last moments still lists what was deleted in them."""
        for index in (listing(owner), listing(owner, Mode.UPLOAD)):
            async for page in pages(self.key_values, index):
                records = await self.key_values.get_many([record_key(owner, entry.member) for entry in page])
                for picture in (decode_picture(record) for record in records if record is not None):
                    if picture.key not in seen and not await self._has_file(picture):
                        report.ghosts += await self._take_out(picture)

    async def _has_file(self, picture: Picture) -> bool:
        try:
            await self.blobs.head(picture.key)
        except BlobNotFound:
            return False
        return True

    async def _take_out(self, picture: Picture) -> bool:
        """Say whether it was there; its files, if any are left, are put in the trash."""
        try:
            await self.key_values.commit(*leaving(picture, milliseconds(picture.created_at)))
        except CommitRefused:
            return False
        return True


def _stem(key: str) -> str:
    """Up to the first dot of the name, so that a stray `x.json.bak` is listed between `x.json` and `x.png`."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"
