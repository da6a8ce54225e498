"""A picture that is kept, and everything the lab remembers of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from nano_banana_lab.core.history.grounding import Grounding
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import OwnerId


class Mode(StrEnum):
    """What was done to get the picture."""

    BASIC = "basic"
    CHAT = "chat"
    BATCH = "batch"
    BLEND = "blend"
    STYLE = "style"
    SEARCH = "search"
    UPLOAD = "upload"


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a kept picture: the line in the history and, beside the picture itself, its sidecar.

    `key` is where the untouched bytes are in the blob store; `sha256` is theirs, in hex.
    `duration` is in seconds, `width` and `height` in pixels of the file, `size_bytes` its length.
    `aspect_ratio` and `resolution` are what was asked for; `matches_request` says whether that is what came.
    `usage` counts tokens by the names of the contract. `grounding` is what a web search contributed.
    Of an upload, `prompt` is the file's own name, and `aspect_ratio` and `resolution` are what its size comes closest to.
    """

    id: str
    owner: OwnerId
    key: str
    prompt: str
    mode: Mode
    aspect_ratio: str
    resolution: str
    created_at: datetime
    duration: float
    mime_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    model: str
    model_version: str = ""
    matches_request: bool = True
    usage: Mapping[str, int] = {}
    cost_usd: float = 0.0
    text_response: str | None = None
    thinking: str | None = None
    session_id: str | None = None
    grounding: Grounding | None = None
    schema: int = 1

    @property
    def filename(self) -> str:
        """The last segment of the key."""
        return self.key.rpartition("/")[2]


class ImageNotFound(LabError):
    """The owner has no picture with this id."""

    code = "image_not_found"
    sentence = "There is no such picture."


_decoder = msgspec.json.Decoder(Picture)


def encode_picture(picture: Picture) -> bytes:
    """The record as JSON, for the key-value store and the sidecar alike."""
    return msgspec.json.encode(picture)


def decode_picture(data: bytes) -> Picture:
    """The inverse of `encode_picture`. Raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(data)
