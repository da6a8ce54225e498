"""What an owner has made in all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from nano_banana_lab.core.history.keys import listing, statistics_key
from nano_banana_lab.core.shared.clock import from_milliseconds
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import KeyValueStore


class HistoryStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over an owner's generated pictures: durations in seconds, sizes in bytes, dates None when there are none."""

    total_images: int
    images_by_mode: Mapping[str, int]
    total_duration: float
    average_duration: float
    earliest_date: datetime | None
    latest_date: datetime | None
    total_cost_usd: float
    total_bytes: int


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Reads counters that the commits keep exact, so it costs the same for ten pictures and for a million."""

    key_values: KeyValueStore

    async def __call__(self, owner: OwnerId) -> HistoryStatistics:
        counters = await self.key_values.counters(statistics_key(owner))
        by_mode = {
            field.removeprefix("images."): count
            for field, count in sorted(counters.items())
            if field.startswith("images.") and count
        }
        total, seconds = sum(by_mode.values()), counters.get("duration_ms", 0) / 1000
        return HistoryStatistics(
            total_images=total,
            images_by_mode=by_mode,
            total_duration=seconds,
            average_duration=round(seconds / total, 3) if total else 0.0,
            earliest_date=await self._edge(owner, newest_first=False),
            latest_date=await self._edge(owner, newest_first=True),
            total_cost_usd=counters.get("cost_microusd", 0) / 1_000_000,
            total_bytes=counters.get("bytes", 0),
        )

    async def _edge(self, owner: OwnerId, *, newest_first: bool) -> datetime | None:
        page = await self.key_values.page(listing(owner), limit=1, newest_first=newest_first)
        return from_milliseconds(page.entries[0].score) if page.entries else None
