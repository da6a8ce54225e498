"""What a generation costs in trial points, by what it does."""

from collections.abc import Mapping

import msgspec

from nano_banana_lab.core.history.picture import Mode


class QuotaMode(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the trial's price list: points for each picture, and pictures a user may make a day."""

    name: str
    cost: int
    limit: int


QUOTA_MODES: Mapping[str, QuotaMode] = {
    "basic_1k": QuotaMode(name="Basic (1K/2K)", cost=1, limit=30),
    "basic_4k": QuotaMode(name="Basic (4K)", cost=3, limit=10),
    "chat": QuotaMode(name="Chat", cost=1, limit=20),
    "batch_1k": QuotaMode(name="Batch (1K/2K)", cost=1, limit=15),
    "batch_4k": QuotaMode(name="Batch (4K)", cost=3, limit=5),
    "search": QuotaMode(name="Search", cost=2, limit=15),
    "blend": QuotaMode(name="Blend/Style", cost=2, limit=10),
}


def quota_mode_of(mode: Mode, resolution: str) -> str:
    """The key of the price list under which a picture of this mode and resolution is counted."""
    match mode:
        case Mode.BASIC | Mode.BATCH:
            return f"{mode}_4k" if resolution == "4K" else f"{mode}_1k"
        case Mode.STYLE:
            return "blend"
        case _:
            return mode.value


def quota_mode_named(name: str, resolution: str) -> str | None:
    """The key of the price list for what a client calls a mode: `basic` with a resolution, or a key itself."""
    if name in QUOTA_MODES:
        return name
    return quota_mode_of(Mode(name), resolution) if name in set(Mode) - {Mode.UPLOAD} else None
