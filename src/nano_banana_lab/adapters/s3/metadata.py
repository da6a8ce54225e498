"""A blob's metadata as one header of its object.

S3 allows 2 KB of metadata whose names and values are ASCII; ours are any text. So all of it travels as MessagePack in
base64 under one name: 64 entries and 1 KiB of text become at most 1.7 KB.
"""

import base64
import binascii
from collections.abc import Mapping

import msgspec

_HEADER = "details"
"""Sent as `x-amz-meta-details`."""


def check_details(content_type: str, metadata: Mapping[str, str]) -> None:
    """Raise ValueError unless the port allows this content type and metadata."""
    if not (0 < len(content_type) <= 255 and content_type.isascii() and content_type.isprintable()):
        raise ValueError("a content type must be 1 to 255 characters of printable ASCII")
    if len(metadata) > 64 or sum(len(text.encode()) for entry in metadata.items() for text in entry) > 1024:
        raise ValueError("metadata must be at most 64 entries and 1024 bytes in all")


def headers_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata to send with the object."""
    return {_HEADER: base64.b64encode(msgspec.msgpack.encode(metadata)).decode()} if metadata else {}


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The inverse; empty for an object that another program wrote."""
    try:
        return msgspec.msgpack.decode(base64.b64decode(headers.get(_HEADER, "gA==")), type=dict[str, str])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return {}
