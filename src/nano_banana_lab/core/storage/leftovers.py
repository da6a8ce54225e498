"""Folders of blobs that go when what they belong to has ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nano_banana_lab.core.shared.clock import Clock, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import MAX_AT_ONCE, IndexPut, IndexRemove
from nano_banana_lab.core.storage.ports import BlobStore, Entry, KeyValueStore

PAGE = 100

LOOK_AGAIN_SECONDS = 60
"""When a folder should go whose owner turns out to be alive: the store's clock decides, not ours."""


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Things with an owner and an id, each with a folder of blobs `{prefix}{owner}/{id}/`.

    `index` lists them by when their blobs may go (milliseconds). `signs_of_life` names the values any of which says that
    a thing is still there, or that somebody is still storing blobs for it: then its blobs stay.
    """

    key_values: KeyValueStore
    blobs: BlobStore
    clock: Clock
    index: str
    prefix: str
    signs_of_life: Callable[[OwnerId, str], Sequence[str]]

    def may_go_in(self, seconds: float, owner: OwnerId, id: str) -> IndexPut:
        """To be committed with whatever decides how long the thing lives."""
        at = milliseconds(self.clock.now()) + round(seconds * 1000)
        return IndexPut(index=self.index, member=f"{owner}/{id}", score=at)

    async def remove(self) -> int:
        """Remove the blobs of everything whose time has come; says of how many things. Raises `StoreUnavailable`."""
        removed, now = 0, milliseconds(self.clock.now())
        while (page := await self.key_values.page(self.index, limit=PAGE, newest_first=False, max_score=now)).entries:
            for entry in page.entries:
                removed += await self._remove(entry)
        return removed

    async def find(self) -> None:
        """List what nothing speaks of any more because the key-value store was lost. Raises `StoreUnavailable`."""
        seen = set[tuple[OwnerId, str]]()
        async for info in self.blobs.list(self.prefix):
            thing = _thing(info.key.removeprefix(self.prefix))
            if thing not in seen:
                seen.add(thing)
                if not await self._is_alive(*thing):
                    await self.key_values.commit(self.may_go_in(0, *thing))

    async def _remove(self, entry: Entry) -> bool:
        thing = _thing(entry.member)
        if await self._is_alive(*thing):
            await self.key_values.commit(self.may_go_in(LOOK_AGAIN_SECONDS, *thing))
            return False
        keys = [info.key async for info in self.blobs.list(f"{self.prefix}{entry.member}/")]
        for some in (keys[at : at + MAX_AT_ONCE] for at in range(0, len(keys), MAX_AT_ONCE)):
            await self.blobs.delete(*some)
        await self.key_values.commit(IndexRemove(index=self.index, member=entry.member))
        return True

    async def _is_alive(self, owner: OwnerId, id: str) -> bool:
        return any(await self.key_values.get_many(self.signs_of_life(owner, id)))


def _thing(path: str) -> tuple[OwnerId, str]:
    """Whose thing, and its id, at the beginning of `owner/id/...`."""
    owner, named = (*path.split("/"), "")[:2]
    return OwnerId(owner), named
