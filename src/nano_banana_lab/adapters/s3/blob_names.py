"""What a blob's object is called in the bucket, and back.

An ordinary key is its own object name. S3 itself and the servers that speak its protocol refuse or rewrite some names:
`..` and `.` as segments, empty segments, slashes at either end, and (MinIO) segments of more than 255 bytes.
Blobs with such keys lie under names that begin with `%`, where one character C that is rare in the key stands for `/`:

    %C-<the key, with C for every `/` and `/-` for every C>, and `/+` wherever a segment would exceed 250 bytes

That is at most 24 bytes longer than the key, and S3 allows object names of 1024 bytes.
"""

import string

from nano_banana_lab.core.storage.blob_limits import check_key

_STRANGE = "%"
_STAND_INS = string.ascii_letters + string.digits + "!$'()*,:;=@_~"
"""75 characters, so that the rarest of them occurs at most 13 times in a key of 1000 bytes."""

_SEGMENT = 250


def is_ordinary(key: str) -> bool:
    """Whether the blob's object is called as its key."""
    return not key.startswith(_STRANGE) and all(
        segment not in ("", ".", "..") and len(segment.encode()) <= _SEGMENT for segment in key.split("/")
    )


def name_of(key: str) -> str:
    """The name of the object that holds the blob `key`."""
    if is_ordinary(key):
        return key
    slash = min(_STAND_INS, key=key.count)
    name = f"{_STRANGE}{slash}-" + key.translate({ord("/"): slash, ord(slash): "/-"})
    return "/".join(_cut(segment) for segment in name.split("/"))


def key_of(name: str) -> str | None:
    """The key of the blob in the object `name`; None for an object that this store would not have written."""
    key = name
    if name.startswith(_STRANGE) and len(name) > 3:
        slash = name[1]
        key = name[3:].replace("/+", "").replace("/-", "\0").replace(slash, "/").replace("\0", slash)
    try:
        check_key(key)
    except ValueError:
        return None
    return key if name_of(key) == name else None


def _cut(segment: str) -> str:
    pieces = [""]
    for character in segment:
        if len(pieces[-1].encode()) + len(character.encode()) > _SEGMENT:
            pieces.append("")
        pieces[-1] += character
    return "/+".join(pieces)
