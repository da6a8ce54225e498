"""Where a picture and all that belongs to it is filed."""

from datetime import datetime

from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.shared.ids import OwnerId

SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}

PICTURES = "users/"
"""Every picture and every sidecar is under this prefix of the blob store."""

TRASH = "history/trash"
"""Index of the keys of pictures that left the history and whose files are still to be removed."""


def picture_key(owner: OwnerId, created_at: datetime, id: str, mime_type: str) -> str:
    """The blob of a picture; unguessable because the id is."""
    return f"{PICTURES}{owner}/{created_at:%Y/%m/%d}/{created_at:%H%M%S}-{id}{SUFFIXES[mime_type]}"


def id_in_key(key: str) -> str:
    """The id of the picture at this key; of any other text, something that is no id."""
    return _stem(key).rpartition("-")[2]


def sidecar_key(picture: str) -> str:
    """The blob with the record of the picture at this key."""
    return f"{_stem(picture)}.json"


def thumbnail_key(picture: str) -> str:
    """The blob with the small copy of the picture at this key."""
    return f"thumbs/{_stem(picture)}.webp"


def record_key(owner: OwnerId, id: str) -> str:
    """The value with the record."""
    return f"history/{owner}/picture/{id}"


def listing(owner: OwnerId, mode: Mode | None = None) -> str:
    """The index of an owner's pictures by time: of one mode, or of all that were generated."""
    return f"history/{owner}/mode/{mode}" if mode else f"history/{owner}/all"


def statistics_key(owner: OwnerId) -> str:
    """The counters of what an owner has."""
    return f"history/{owner}/statistics"


def _stem(key: str) -> str:
    return key.rpartition(".")[0]
