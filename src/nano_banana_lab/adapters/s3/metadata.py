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


def headers_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata to send with the object."""
    return {_HEADER: base64.b64encode(msgspec.msgpack.encode(metadata)).decode()} if metadata else {}


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The inverse; empty for an object that another program wrote."""
    try:
        return msgspec.msgpack.decode(base64.b64decode(headers.get(_HEADER, "gA==")), type=dict[str, str])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return {}
