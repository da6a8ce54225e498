"""Pictures that come with a request which is carried out later."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.input_pictures import HeldPicture, InputPicture, LoadPictures, SentPicture
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.leftovers import Leftovers
from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore
from nano_banana_lab.core.tasks.keys import INPUTS, LEFTOVERS, input_key, task_key
from nano_banana_lab.core.tasks.task_moves import UNFINISHED_SECONDS


@dataclass(frozen=True, kw_only=True)
class HoldPictures:
    """Keeps what was sent with a task in the blob store until the task is forgotten; it is in no history."""

    blobs: BlobStore
    key_values: KeyValueStore
    load_pictures: LoadPictures
    clock: Clock

    @property
    def leftovers(self) -> Leftovers:
        """The pictures held, which go with their task."""
        return Leftovers(
            key_values=self.key_values,
            blobs=self.blobs,
            clock=self.clock,
            index=LEFTOVERS,
            prefix=INPUTS,
            signs_of_life=lambda owner, task: [task_key(owner, task)],
        )

    async def __call__(self, owner: OwnerId, task_id: str, commissions: Sequence[Commission]) -> list[Commission]:
        """The same commissions, with nothing in them that must be kept in memory.

        Raises what `LoadPictures.check` raises, before anything is stored, and `StoreUnavailable`.
        """
        for commission in commissions:
            await self.load_pictures.check(owner, commission.pictures)
        if not any(isinstance(each, SentPicture) for commission in commissions for each in commission.pictures):
            return list(commissions)
        # Noted first: what is stored for a task that then never comes to be goes as well.
        await self.key_values.commit(self.leftovers.may_go_in(UNFINISHED_SECONDS, owner, task_id))
        return [
            msgspec.structs.replace(commission, pictures=await self._held(owner, task_id, item, commission.pictures))
            for item, commission in enumerate(commissions)
        ]

    async def _held(
        self, owner: OwnerId, task_id: str, item: int, pictures: Sequence[InputPicture]
    ) -> tuple[InputPicture, ...]:
        keys = [input_key(owner, task_id, item, number) for number in range(len(pictures))]
        return tuple(await asyncio.gather(*(self._one(each, key) for each, key in zip(pictures, keys, strict=True))))

    async def _one(self, given: InputPicture, key: str) -> InputPicture:
        if not isinstance(given, SentPicture):
            return given
        await self.blobs.put(key, given.data, content_type="application/octet-stream")
        return HeldPicture(key=key, field=given.field)
