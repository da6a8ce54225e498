"""A whole lab in memory, without a web server: every use case on memory stores and a scripted model."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from nano_banana_lab.adapters.memory.blob_store import MemoryBlobStore
from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.generation.admission import Admission, LoadingRoom
from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import LoadPictures
from nano_banana_lab.core.generation.make_picture import MakePicture, NewPicture
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.generation.paid_calls import PaidCalls
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.find_pictures import FindPictures, HistoryQuery
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.history.keys import picture_key
from nano_banana_lab.core.history.picture import Mode, Picture
from nano_banana_lab.core.history.reindex import Reindex
from nano_banana_lab.core.history.statistics import Statistics
from nano_banana_lab.core.history.thumbnail import Thumbnail
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.quota.usage import ReadUsage
from nano_banana_lab.core.shared.clock import from_milliseconds, milliseconds
from nano_banana_lab.core.shared.ids import OwnerId, new_id
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.scripted_image_model import ScriptedImageModel, striped_png

ALICE = OwnerId("alice")


@dataclass(kw_only=True)
class Lab:
    """The use cases, and behind them the stores and the model, which a test may replace."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    key_values: Any = None
    blobs: Any = None
    model: ScriptedImageModel = field(default_factory=ScriptedImageModel)
    keyed: ScriptedImageModel = field(default_factory=ScriptedImageModel)
    tools: Any = field(default_factory=PillowPictureTools)
    renew_after: float = 15.0
    policy: QuotaPolicy = field(default_factory=QuotaPolicy)
    admission: Admission = field(default_factory=lambda: Admission(concurrent=8, waiting=8))

    def __post_init__(self) -> None:
        self.key_values = self.key_values or MemoryKeyValueStore(self.clock)
        self.blobs = self.blobs or MemoryBlobStore(self.clock)
        self.loading_room = LoadingRoom(concurrent=2, waiting=8)
        self.paid_calls = PaidCalls()
        self.usage = ReadUsage(policy=self.policy, key_values=self.key_values, clock=self.clock)
        self.ledger = Ledger(policy=self.policy, key_values=self.key_values, usage=self.usage, clock=self.clock)
        self.keep = KeepPicture(blobs=self.blobs, key_values=self.key_values)
        self.find = FindPictures(key_values=self.key_values)
        self.statistics = Statistics(key_values=self.key_values)
        self.thumbnail = Thumbnail(blobs=self.blobs, key_values=self.key_values, tools=self.tools)
        self.reindex = Reindex(blobs=self.blobs, key_values=self.key_values)
        self.delete = DeletePictures(key_values=self.key_values, blobs=self.blobs, find=self.find, clock=self.clock)
        self.make_picture = MakePicture(
            models=ImageModels(default=self.model, keyed=self.keyed),
            tools=self.tools,
            keep=self.keep,
            stores=StoreWatch(self.key_values, self.blobs),
            trial=Trial(ledger=self.ledger, renew_after=self.renew_after),
            admission=self.admission,
            loading_room=self.loading_room,
            paid_calls=self.paid_calls,
            clock=self.clock,
        )
        self.load_pictures = LoadPictures(find=self.find, blobs=self.blobs, tools=self.tools)
        self.carry_out = CarryOut(load_pictures=self.load_pictures, make_picture=self.make_picture)

    async def generate(
        self,
        prompt: str = "a corgi in a teacup",
        *,
        owner: OwnerId = ALICE,
        api_key: ApiKey | None = None,
        include_thinking: bool = False,
        **settings: Any,
    ) -> NewPicture:
        caller = Caller(owner=owner, api_key=api_key)
        commission = generate_image(prompt, ImageSettings(**settings), include_thinking=include_thinking)
        return await self.carry_out(caller, commission)

    def picture(self, prompt: str = "a corgi", *, owner: OwnerId = ALICE, **facts: Any) -> Picture:
        """A record that is not kept yet, made now."""
        new, now = facts.pop("id", None) or new_id(), from_milliseconds(milliseconds(self.clock.now()))
        usual = {
            "mode": Mode.BASIC,
            "aspect_ratio": "1:1",
            "resolution": "1K",
            "duration": 1.25,
            "width": 8,
            "height": 8,
            "size_bytes": len(picture_bytes(new)),
            "sha256": "0" * 64,
            "model": "scripted",
            "cost_usd": 0.134064,
        }
        return Picture(
            id=new,
            owner=owner,
            key=picture_key(owner, now, new, "image/png"),
            prompt=prompt,
            created_at=now,
            mime_type="image/png",
            **(usual | facts),
        )

    async def kept(self, prompt: str = "a corgi", **facts: Any) -> Picture:
        """A picture that is kept, made a second after the one before."""
        self.clock.advance(1)
        picture = self.picture(prompt, **facts)
        await self.keep(picture, picture_bytes(picture.id))
        return picture

    async def history(self, owner: OwnerId = ALICE, **query: Any) -> Any:
        return await self.find(HistoryQuery(owner=owner, **query))

    async def prompts(self, owner: OwnerId = ALICE, **query: Any) -> list[str]:
        return [picture.prompt for picture in (await self.history(owner, **query)).pictures]

    async def files(self) -> list[str]:
        """The keys of every blob."""
        return [blob.key async for blob in self.blobs.list("")]

    async def counted_again(self, owner: OwnerId = ALICE) -> dict[str, Any]:
        """What the statistics should say, by looking at every picture."""
        pictures = (await self.history(owner, limit=1000)).pictures
        modes = sorted({str(picture.mode) for picture in pictures})
        times: list[datetime] = sorted(picture.created_at for picture in pictures)
        return {
            "total_images": len(pictures),
            "images_by_mode": {mode: sum(picture.mode == mode for picture in pictures) for mode in modes},
            "total_duration": sum(round(picture.duration * 1000) for picture in pictures) / 1000,
            "earliest_date": times[0] if times else None,
            "latest_date": times[-1] if times else None,
            "total_cost_usd": sum(round(picture.cost_usd * 1_000_000) for picture in pictures) / 1_000_000,
            "total_bytes": sum(picture.size_bytes for picture in pictures),
        }

    async def counted(self, owner: OwnerId = ALICE) -> dict[str, Any]:
        """What the statistics do say."""
        found = await self.statistics(owner)
        return {name: getattr(found, name) for name in found.__struct_fields__ if name != "average_duration"}


def picture_bytes(id: str) -> bytes:
    return striped_png(8, 8, note=id)


@pytest.fixture(scope="session")
def open_lab() -> type[Lab]:
    return Lab


@pytest.fixture
def lab() -> Lab:
    return Lab()
