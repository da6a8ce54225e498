"""The operations that enter a picture in the history and take it out again, each exactly once."""

from nano_banana_lab.core.history.keys import TRASH, listing, record_key, statistics_key
from nano_banana_lab.core.history.picture import Mode, Picture, encode_picture
from nano_banana_lab.core.shared.clock import milliseconds
from nano_banana_lab.core.storage.operations import Add, Delete, IndexPut, IndexRemove, Operation, Put


def entering(picture: Picture) -> list[Operation]:
    """Enter a new picture; refused at the first operation when it is already there."""
    score = milliseconds(picture.created_at)
    return [
        Put(key=record_key(picture.owner, picture.id), value=encode_picture(picture), if_absent=True),
        *(IndexPut(index=index, member=picture.id, score=score) for index in _listings(picture)),
        *_counting(picture, +1),
    ]


def leaving(picture: Picture, now: int) -> list[Operation]:
    """Take a picture out and note its files for removal; refused at the first operation when it has gone already."""
    return [
        Delete(key=record_key(picture.owner, picture.id), if_present=True),
        *(IndexRemove(index=index, member=picture.id) for index in _listings(picture)),
        *_counting(picture, -1),
        IndexPut(index=TRASH, member=picture.key, score=now),
    ]


def _listings(picture: Picture) -> list[str]:
    """An upload is listed only among uploads; everything else is also listed among all."""
    listings = [listing(picture.owner, picture.mode)]
    return listings if picture.mode is Mode.UPLOAD else [listing(picture.owner), *listings]


def _counting(picture: Picture, sign: int) -> list[Operation]:
    """Whole milliseconds and millionths of a dollar, so that what is added can be taken off exactly."""
    if picture.mode is Mode.UPLOAD:
        return []
    amounts = {
        f"images.{picture.mode}": 1,
        "duration_ms": round(picture.duration * 1000),
        "cost_microusd": round(picture.cost_usd * 1_000_000),
        "bytes": picture.size_bytes,
    }
    key = statistics_key(picture.owner)
    return [Add(key=key, field=field, amount=sign * amount) for field, amount in amounts.items() if amount]
